"""What DVC's own commands draw and print of the report: curves, example pairs, tables that fit a terminal."""

from __future__ import annotations

from pathlib import Path

from support.commands import Run

from shoepair.reports.formatting import examples_path

TITLES = (
    "loss per iteration",
    "balanced accuracy per epoch, validation",
    "balanced accuracy per epoch, training",
    "ROC, test students",
    "confusion of the best model, test students",
)
WIDE = 200  # characters


def drawn(folder: Path) -> tuple[str, list[str]]:
    """The page that DVC wrote, and the pictures beside it that it shows."""
    page = (folder / "dvc_plots/index.html").read_text()
    pictures = sorted(path.name for path in (folder / "dvc_plots/static").iterdir())
    assert [name for name in pictures if f"static/{name}" not in page] == []
    return page, pictures


def test_dvc_draws_curves_and_example_pairs_of_both_versions(trained: Path, run: Run) -> None:
    before = examples_path("cnn").read_bytes()
    run("dvc", "plots", "show", "-q")
    page, pictures = drawn(trained)
    assert [title for title in TITLES if title not in page] == []
    assert pictures == [f"workspace_plots_examples_{model}.jpg" for model in ("cnn", "cnn_channel")]
    assert (trained / "dvc_plots/static" / pictures[0]).read_bytes() == before

    run("dvc", "exp", "run", "-q", "-n", "slow", "-S", "lr=0.0005")
    run("dvc", "plots", "diff", "-q", "HEAD")
    page, pictures = drawn(trained)
    assert [title for title in TITLES if title not in page] == []
    assert len(pictures) == 4
    assert (trained / "dvc_plots/static/HEAD_plots_examples_cnn.jpg").read_bytes() == before
    assert examples_path("cnn").read_bytes() != before

    # As the README has it; without the options DVC shows every parameter and every dependency, 4,000 characters wide.
    shown = run("dvc", "exp", "show", "--md", "--only-changed", "--drop", ".*/|best|Created").stdout
    assert max(map(len, shown.splitlines())) <= WIDE, shown
    assert {"lr", "Experiment"} <= {cell.strip() for cell in shown.splitlines()[0].split("|")}
    told = run("dvc", "metrics", "diff", "--md").stdout
    assert max(map(len, told.splitlines())) <= WIDE, told
    assert "metrics/evaluation.json" in told
