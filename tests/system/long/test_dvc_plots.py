"""What DVC's own commands draw and print of the report: curves, example pairs, tables that fit a terminal.

The pages are opened in a browser without a network, where there is one.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import ConsoleMessage
from support.browsers import CHROMIUM, launched
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


INK = """[...document.querySelectorAll('.vega-embed canvas')].map(canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  return pixels.filter((value, index) => index % 4 < 3 && pixels[index - index % 4 + 3] && value < 128).length
})"""  # of each chart, how many values of colours are dark


def open_offline(page: Path) -> list[str]:
    """Open a page without a network; return what went wrong, and a line for each chart with next to nothing in it."""
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":  # Vega also warns of DVC's own templates
            faults.append(message.text)

    with launched() as browser:
        shown = browser.new_context(offline=True).new_page()
        shown.on("console", note)
        shown.on("pageerror", lambda error: faults.append(str(error)))
        shown.on("requestfailed", lambda request: faults.append(request.url))
        shown.goto(page.as_uri())
        shown.locator(".vega-embed canvas").nth(len(TITLES) - 1).wait_for()
        ink = shown.evaluate(INK)
    return faults + [f"chart {number}: {dark} dark values" for number, dark in enumerate(ink) if dark < 1000]


def test_dvc_draws_curves_and_example_pairs_of_both_versions(trained: Path, run: Run) -> None:
    before = examples_path("cnn").read_bytes()
    run("dvc", "plots", "show", "-q")
    page, pictures = drawn(trained)
    assert [title for title in TITLES if title not in page] == []
    assert pictures == [f"workspace_plots_examples_{model}.jpg" for model in ("cnn", "cnn_channel")]
    assert (trained / "dvc_plots/static" / pictures[0]).read_bytes() == before
    if CHROMIUM:
        assert open_offline(trained / "dvc_plots/index.html") == []

    run("dvc", "exp", "run", "-q", "-n", "slow", "-S", "lr=0.0005")
    run("dvc", "plots", "diff", "-q", "HEAD")
    page, pictures = drawn(trained)
    assert [title for title in TITLES if title not in page] == []
    assert len(pictures) == 4
    if CHROMIUM:
        assert open_offline(trained / "dvc_plots/index.html") == []
    assert (trained / "dvc_plots/static/HEAD_plots_examples_cnn.jpg").read_bytes() == before
    assert examples_path("cnn").read_bytes() != before

    # As the README has it; without the options DVC shows every parameter and every dependency, 4,000 characters wide.
    shown = run("dvc", "exp", "show", "--md", "--only-changed", "--drop", ".*/|best|Created").stdout
    assert max(map(len, shown.splitlines())) <= WIDE, shown
    assert {"lr", "Experiment"} <= {cell.strip() for cell in shown.splitlines()[0].split("|")}
    told = run("dvc", "metrics", "diff", "--md").stdout
    assert max(map(len, told.splitlines())) <= WIDE, told
    assert "metrics/evaluation.json" in told
