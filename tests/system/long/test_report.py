"""The report's page: what it says, held against the numbers it was made from; what it says where there are none."""

from __future__ import annotations

from pathlib import Path

from support.commands import Run
from support.field import edit, write_student
from support.pages import Reader

from shoepair.reports.formatting import PAGE_PATH
from shoepair.runtime import paths


def test_missing_input_is_one_clear_error(trained: Path, run: Run) -> None:
    for path in (
        paths.EVALUATION_DETAILS,
        paths.SCORES,
        paths.store_path("tiny"),
        paths.epoch_curve_path("cnn"),
        paths.model_card_path("cnn"),
        paths.LEAKAGE_REPORT,
        paths.PAIRS,
    ):
        away = trained / "away"
        path.rename(away)
        error = run("python", "-m", "stages.report", status=1).stderr
        assert f"error: {path}: missing" in error
        assert "dvc repro" in error
        assert "Traceback" not in error
        away.rename(path)
    paths.loss_curve_path("cnn").write_text("")
    assert "expected a table of a training run" in run("python", "-m", "stages.report", status=1).stderr


def test_page_follows_a_class_that_changes(trained: Path, run: Run) -> None:
    edit(paths.PARAMS, "on_invalid: fail ", "on_invalid: quarantine ")
    edit(paths.PARAMS, "max_quarantined: 0.10 ", "max_quarantined: 0.50 ")
    write_student(trained / "data/raw/tiny/train", "u099")[0].unlink()
    run("dvc", "repro", "-q")
    words = Reader(PAGE_PATH.read_text()).words
    assert "53 files = 48 accepted + 5 quarantined + 0 ignored." in words
    assert "u099: 5 photos, expected 6 (missing: pair 1 left)" in words
