"""The tables that commands print, character by character."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.commands.collection.drift import Shift
from shoepair.commands.collection.purging.search import Finding
from shoepair.reports import terminal_tables

PLAIN, MARKDOWN = {"as_markdown": False}, {"as_markdown": True}
COLUMNS = ["batch", "source", "students", "photos", "men", "women", "quarantined", "bytes"]


def overview(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=COLUMNS).astype(dict.fromkeys(COLUMNS[2:], "Int64"))


def share(value: float, name: str = "balanced", low: str = "low", high: str = "high") -> dict[str, float]:
    """Return a metric with an interval of five points on either side."""
    return {name: value, low: value - 0.05, high: value + 0.05}


def metrics_of(value: float) -> dict[str, Any]:
    """Return all metrics of a model, with the same value."""
    stats: dict[str, Any] = {"students": 12, "ece": 0.101, "ece_calibrated": 0.02}
    stats |= share(value) | share(value, "balanced_all", "low_all", "high_all")
    for name in ("positive", "negative", "negative_all", "auc", "eer", "tpr_1", "tpr_5"):
        stats |= share(value, name, f"{name}_low", f"{name}_high")
    return stats


def test_batches_are_aligned_with_totals_and_dashes_for_unknown_numbers() -> None:
    table = terminal_tables.batch_text(
        overview(("drawn", "drawn", 105, 630, 60, 50, 0, 1_234_567), ("w", "added", *[pd.NA] * 6))
    )
    assert table.splitlines() == [
        "batch  source  students  photos  men  women  quarantined      bytes",
        "drawn  drawn        105     630   60     50            0  1,234,567",
        "w      added          -       -    -      -            -          -",
        "all                 105     630   60     50            0  1,234,567",
    ]


@settings(max_examples=20, deadline=None)
@given(numbers=st.lists(st.integers(0, 10**7), max_size=4))
def test_last_line_of_the_batches_is_the_sum_of_the_others(numbers: list[int]) -> None:
    rows = [(f"b{i}", "added", *[number] * 6) for i, number in enumerate(numbers)]
    lines = terminal_tables.batch_text(overview(*rows)).splitlines()
    assert len(lines) == len(numbers) + 2
    assert lines[-1].split() == ["all", *[f"{sum(numbers):,}"] * 6]
    assert len({len(line) for line in lines}) == 1, "numbers to the right end in one column"


def test_error_of_two_students_is_listed_once_before_changes_and_flags() -> None:
    same = "a.jpg: same content as b.jpg"
    report = {
        "reasons": {"u001": [same, "u001: 5 photos, expected 6"], "u002": [same]},
        "changed": {"turned upright": 4},
        "flags": {"low_contrast": ["train/u003_1_left_m.jpg"], "dark": []},
    }
    assert terminal_tables.list_validation_detail_lines(report) == [
        f"quarantined: {same}",
        "quarantined: u001: 5 photos, expected 6",
        "4 photos: turned upright",
        "low contrast: train/u003_1_left_m.jpg",
    ]


def test_ignored_files_are_named_the_first_six_of_many() -> None:
    names = [f"train/._{number}" for number in range(8)]
    assert terminal_tables.ignored_lines([]) == []
    assert terminal_tables.ignored_lines(names[:6]) == [f"ignored, not copied: {', '.join(names[:6])}"]
    assert terminal_tables.ignored_lines(names) == [f"ignored, not copied: {', '.join(names[:6])} and 2 more"]


def test_drift_names_each_shifted_measure_and_all_others_in_one_line() -> None:
    shifted = Shift("brightness", 0.2512, 0.6, 0.8, 0.00004, is_shifted=True)
    rest = [Shift(name, 1.0, 1.0, 0.1, 0.9, is_shifted=False) for name in ("size", "women")]
    assert terminal_tables.list_drift_lines([rest[0], shifted, rest[1]]) == [
        "drift: brightness 0.25, in the existing batches 0.60 (distance 0.80, p 4e-05): check some photos"
        " before you continue",
        "no drift in size, women",
    ]
    assert len(terminal_tables.list_drift_lines([shifted])) == 1
    assert terminal_tables.list_drift_lines([]) == []


def test_validation_is_a_table_and_a_list_for_each_batch_with_errors() -> None:
    counts = {
        "files": 1200,
        "accepted": 1194,
        "quarantined": 5,
        "ignored": 1,
        "students": 199,
        "quarantined_students": 1,
    }
    clean = {"batch": "a", **counts, "reasons": {}, "changed": {}, "flags": {}}
    rejected = clean | {"batch": "b", "reasons": {"u001": ["u001: 5 photos"]}}
    total = {name: 2 * count for name, count in counts.items()}
    assert terminal_tables.validation_text([clean, rejected], total, **MARKDOWN).splitlines() == [
        "| batch | files | accepted | quarantined | ignored | students | quarantined students |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
        "| a | 1,200 | 1,194 | 5 | 1 | 199 | 1 |",
        "| b | 1,200 | 1,194 | 5 | 1 | 199 | 1 |",
        "| all | 2,400 | 2,388 | 10 | 2 | 398 | 2 |",
        "",
        "### b",
        "- `quarantined: u001: 5 photos`",
    ]
    plain = terminal_tables.validation_text([clean, rejected], total, **PLAIN).splitlines()
    assert plain[3].split() == ["all", "2,400", "2,388", "10", "2", "398", "2"]
    assert plain[4:] == ["", "b:", "  quarantined: u001: 5 photos"]


def test_suspects_are_listed_with_probabilities_or_a_reason_why_not() -> None:
    probabilities = {"issue_probability": 0.4, "mispaired": 0.375, "swapped": 0.0, "not_a_shoe": 0.0125}
    row = {"batch": "a", "student": "u007", "rank": 1, "reason": "pair 1", **probabilities}
    head, line = terminal_tables.suspect_text([row]).splitlines()
    assert line.split() == ["a", "u007", "pair", "1", "1", "40.0%", "37.5%", "0.0%", "1.2%"]
    assert head.index("reason") == line.index("pair")
    assert terminal_tables.suspect_text([]) == "too few students for a ranking"


def test_purge_lists_first_what_it_deletes_and_then_what_remains() -> None:
    doomed = [
        Finding("project folder", "picture", Path("dvc_plots/pair.png")),
        Finding("DVC's cache", "photo", Path("ab/c")),
    ]
    many = [Finding("project folder", "picture", Path(f"mine/{number}.jpg"), "may show them") for number in range(6)]
    plan = SimpleNamespace(
        counts=Counter({("DVC's cache", "photo"): 1_000, ("project folder", "picture"): 1}),
        doomed=doomed,
        unproven=[*many, Finding("project folder", "text", Path("notes\n.txt"), "names a student of this id")],
        remaining=["other clones"],
        warnings=["a remote may serve others"],
    )
    assert terminal_tables.purge_plan_lines(plan) == [
        "to delete:",
        "  DVC's cache: 1,000 x photo",
        "  project folder: 1 x picture",
        "    dvc_plots/pair.png",
        "note: a remote may serve others",
    ]
    assert terminal_tables.purge_remains_lines(plan)[1:] == [
        "  mine/: 6 x picture: may show them",
        "  notes\\n.txt: text: names a student of this id",
        "out of reach:",
        "  other clones",
    ]
    nothing = SimpleNamespace(counts=Counter(), doomed=[], unproven=[], remaining=[], warnings=[])
    assert terminal_tables.purge_plan_lines(nothing) == ["to delete:", "  nothing"]
    assert terminal_tables.purge_remains_lines(nothing) == ["out of reach:"]


def changes(**differences: Any) -> dict[str, Any]:
    """Return the comparison of two versions with only these differences."""
    same: dict[str, Any] = {name: {"added": [], "removed": []} for name in ("batches", "students", "photos")}
    empty = {"before": "HEAD~1", "after": "workspace", "moved": [], "salt": [], "metrics": [], "missing": []}
    return same | empty | differences


def test_diff_names_six_of_many_and_says_if_nothing_changed() -> None:
    students = [f"a/u{number}" for number in range(8)]
    text = terminal_tables.dataset_diff_text(
        changes(students={"added": students, "removed": []}, moved=["a/u9"]), **PLAIN
    )
    assert text.splitlines() == [
        "dataset: HEAD~1 -> workspace",
        "",
        "  8 students added: a/u0, a/u1, a/u2, a/u3, a/u4, a/u5 and 2 more",
        "  1 students in another split: a/u9",
    ]
    missing = ["HEAD~1: data/scores.parquet"]
    assert terminal_tables.dataset_diff_text(changes(missing=missing), **MARKDOWN).splitlines() == [
        "## Dataset: HEAD~1 -> workspace",
        "",
        "- no photo, student or batch changed",
        "",
        "not available here (`dvc fetch --all-commits` downloads what a remote has):",
        "- HEAD~1: data/scores.parquet",
    ]


@pytest.mark.parametrize(
    ("clear", "few", "verdict"),
    [(True, False, "clear"), (False, True, "too few students"), (False, False, "within noise")],
)
def test_verdict_on_two_accuracies_ends_their_row(clear: bool, few: bool, verdict: str) -> None:
    paired = {**share(-0.02), "students": 9, "clear": clear, "few": few}
    rows = [
        {"model": "cnn", "split": "test", "before": share(0.8), "after": share(0.78), "difference": paired},
        {"model": "new", "split": "valid", "before": None, "after": share(0.5), "difference": None},
    ]
    lines = terminal_tables.dataset_diff_text(changes(metrics=rows), **MARKDOWN).splitlines()
    assert lines[6:8] == [
        f"| cnn | test | 80.0% (75.0 to 85.0) | 78.0% (73.0 to 83.0) | -2.0% (-7.0 to +3.0) | 9 | {verdict} |",
        "| new | valid | - | 50.0% (45.0 to 55.0) | - | 0 | no shared students |",
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
    assert terminal_tables.dataset_log_text([known, unknown], **MARKDOWN).splitlines()[2:] == [
        f"| abc1234 | 2026-11-24 | +w -s ~a ~b | {'x' * 50} | 1,105 | 6,630 | cnn | 87.5% | - |",
        "| abc1234 | 2026-11-24 |  | Begin | - | - | - | - | - |",
    ]


def test_best_cross_validation_comes_first_and_differences_are_optional() -> None:
    plain = terminal_tables.cv_text({"histogram": metrics_of(0.6), "cnn": metrics_of(0.7)}).splitlines()
    assert [line.split()[0] for line in plain] == ["model", "cnn", "histogram"]
    assert "above" not in plain[0]
    better = metrics_of(0.7) | {"above_histogram": metrics_of(0.1)}
    head, best, base = terminal_tables.cv_text({"histogram": metrics_of(0.6), "cnn": better}).splitlines()
    assert head.endswith("above the histogram")
    assert best.endswith("70.0% (65.0 to 75.0)  +10.0% (+5.0 to +15.0)")
    assert base.endswith("60.0% (55.0 to 65.0)" + "-".rjust(len("  +10.0% (+5.0 to +15.0)")))


def test_evaluation_text_has_all_tables_and_the_best_model_as_reference_without_a_baseline() -> None:
    difference = {"model": "cnn", "against": "siamese", "split": "valid", "students": 12} | metrics_of(-0.1)
    details = {
        "best": "siamese",
        "models": {
            "cnn": {"valid": metrics_of(0.6), "test_m": metrics_of(0.7)},
            "siamese": {"valid": metrics_of(0.8)},
        },
        "temperatures": {"cnn": 0.51234, "siamese": 2.0},
        "differences": [difference],
        "kinds": {"left_out": "no students in test_w"},
        "verdict": {"text": "no baseline"},
    }
    accuracies, curve, differences, kinds, hint, end = terminal_tables.evaluation_text(details).split("\n\n")
    assert [line.split()[:2] for line in accuracies.splitlines()[1:]] == [
        ["siamese", "valid"],
        ["cnn", "test_m"],
        ["cnn", "valid"],
    ]
    assert curve.splitlines()[2].split()[-3:] == ["10.1%", "2.0%", "0.512"]
    assert differences.splitlines()[0].split()[:4] == ["minus", "siamese", "split", "students"]
    assert differences.splitlines()[1].split()[:4] == ["cnn", "valid", "12", "-10.0%"]
    assert kinds == "men's and women's shoes are not compared: no students in test_w"
    assert hint.startswith("intervals are 95 %")
    assert end == "best by validation accuracy: siamese\nno baseline"
