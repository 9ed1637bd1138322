"""What `shoepair diff` and `shoepair log` print, character by character."""

from __future__ import annotations

from typing import Any

import pytest

from shoepair.reports import version_tables
from shoepair.reports.text_tables import markdown_text, plain_text


def share(value: float, name: str = "balanced", low: str = "low", high: str = "high") -> dict[str, float]:
    """Return a metric with an interval of five points on either side."""
    return {name: value, low: value - 0.05, high: value + 0.05}


def changes(**differences: Any) -> dict[str, Any]:
    """Return the comparison of two versions with only these differences."""
    same: dict[str, Any] = {name: {"added": [], "removed": []} for name in ("batches", "students", "photos")}
    empty = {"before": "HEAD~1", "after": "workspace", "moved": [], "salt": [], "metrics": [], "missing": []}
    return same | empty | differences


def test_diff_names_six_of_many_and_says_if_nothing_changed() -> None:
    students = [f"a/u{number}" for number in range(8)]
    text = plain_text(
        version_tables.dataset_diff_blocks(
            changes(students={"added": students, "removed": []}, moved=["a/u9"]), as_markdown=False
        )
    )
    assert text.splitlines() == [
        "dataset: HEAD~1 -> workspace",
        "",
        "  8 students added: a/u0, a/u1, a/u2, a/u3, a/u4, a/u5 and 2 more",
        "  1 student in another split: a/u9",
    ]
    missing = ["HEAD~1: data/scores.parquet"]
    assert markdown_text(
        version_tables.dataset_diff_blocks(changes(missing=missing), as_markdown=True)
    ).splitlines() == [
        "## Dataset: HEAD~1 -> workspace",
        "",
        "- no photo, student or batch changed",
        "",
        "not available here (`dvc pull`, or of older commits `dvc fetch --all-commits`, downloads what a remote has):",
        "- HEAD~1: data/scores.parquet",
    ]


def test_lists_that_are_not_here_are_no_unchanged_photos() -> None:
    missing = ["HEAD~1: data/accepted/winter.parquet: recorded, but in no cache"]
    lines = plain_text(version_tables.dataset_diff_blocks(changes(missing=missing), as_markdown=False)).splitlines()
    assert lines[2] == "  photos and students are not compared: their lists are not here"


@pytest.mark.parametrize(("clear", "verdict"), [(True, "clear"), (False, "within noise")])
def test_verdict_on_two_accuracies_ends_their_row(clear: bool, verdict: str) -> None:
    paired = {**share(-0.02), "students": 9, "clear": clear}
    rows: list[dict[str, Any]] = [
        {"model": "cnn", "split": "test", "before": share(0.8), "after": share(0.78), "difference": paired},
        {"model": "new", "split": "valid", "before": None, "after": share(0.5), "difference": None},
        {"model": "old", "split": "test", "before": share(0.5), "after": share(0.5), "difference": None},
    ]
    for row in rows:
        row["lacks_scores"] = row["model"] == "old"
    lines = markdown_text(version_tables.dataset_diff_blocks(changes(metrics=rows), as_markdown=True)).splitlines()
    assert lines[6:9] == [
        f"| cnn | test | 80.0% (75.0 to 85.0) | 78.0% (73.0 to 83.0) | -2.0 points (-7.0 to +3.0) | 9 | {verdict} |",
        "| new | valid | - | 50.0% (45.0 to 55.0) | - | - | not evaluated before |",
        "| old | test | 50.0% (45.0 to 55.0) | 50.0% (45.0 to 55.0) | - | - | scores are not here |",
    ]


def test_log_marks_added_removed_and_changed_batches_and_cuts_long_subjects() -> None:
    version = {"commit": "abc1234", "date": "2026-11-24", "added": ["w"], "removed": ["s"], "changed": ["a", "b"]}
    known = version | {
        "subject": "x" * 60,
        "students": 1105,
        "photos": 6630,
        "best": {"model": "cnn", "test_m": 0.875},
    }
    unknown: dict[str, Any] = version | {"added": [], "removed": [], "changed": [], "subject": "Begin"}
    unknown |= {"students": None, "photos": None, "best": {}}
    assert markdown_text([version_tables.dataset_log_table([known, unknown])]).splitlines()[2:] == [
        f"| abc1234 | 2026-11-24 | +w -s ~a ~b | {'x' * 50} | 1,105 | 6,630 | cnn | 87.5% | - |",
        "| abc1234 | 2026-11-24 |  | Begin | - | - | - | - | - |",
    ]


def test_experiments_have_their_parameters_and_the_best_model() -> None:
    entries: list[dict[str, Any]] = [
        {"name": "workspace", "parameters": {"lr": 0.004, "n": 8.0}, "model": "siamese",
         "accuracies": {"valid": 0.95, "test_m": 0.9, "test_w": None}},
        {"name": "new", "parameters": {"lr": 0.0005, "n": "4"}, "model": None,
         "accuracies": {"valid": None, "test_m": None, "test_w": None}},
    ]  # fmt: skip
    lines = plain_text([version_tables.experiments_table(entries)]).splitlines()
    assert lines[1].split() == ["workspace", "lr=0.004", "n=8", "siamese", "95.0%", "90.0%", "-"]
    assert lines[2].split() == ["new", "lr=0.0005", "n=4", "not", "evaluated", "-", "-", "-"]
