"""The tables of metrics, character by character."""

from __future__ import annotations

from typing import Any

from shoepair.reports import terminal_tables
from shoepair.reports.text_tables import TextTable, fit_width, plain_text


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


def test_best_cross_validation_comes_first_and_differences_are_optional() -> None:
    plain = terminal_tables.cv_table({"histogram": metrics_of(0.6), "cnn": metrics_of(0.7)}).plain_text().splitlines()
    assert [line.split()[0] for line in plain] == ["model", "cnn", "histogram"]
    assert "above" not in plain[0]
    better = metrics_of(0.7) | {"above_histogram": metrics_of(0.1)}
    head, best, base = (
        terminal_tables.cv_table({"histogram": metrics_of(0.6), "cnn": better}).plain_text().splitlines()
    )
    assert head.endswith("above the histogram")
    assert best.endswith("70.0% (65.0 to 75.0)  +10.0 points (+5.0 to +15.0)")
    assert base.endswith("60.0% (55.0 to 65.0)" + "-".rjust(len("  +10.0 points (+5.0 to +15.0)")))
    other = metrics_of(0.7) | {"above_first": metrics_of(0.1), "above_siamese": metrics_of(0.2)}
    head = terminal_tables.cv_table({"cnn": other}).plain_text().splitlines()[0]
    assert head.split()[-6:] == ["above", "siamese", "above", "the", "first", "tried"]


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
    accuracies, curve, differences, kinds, hint, end = plain_text(terminal_tables.evaluation_blocks(details)).split(
        "\n\n"
    )
    assert [line.split()[:2] for line in accuracies.splitlines()[1:]] == [
        ["siamese", "valid"],
        ["cnn", "test_m"],
        ["cnn", "valid"],
    ]
    assert curve.splitlines()[2].split()[-3:] == ["10.1%", "2.0%", "0.512"]
    assert differences.splitlines()[0].split()[:4] == ["minus", "siamese", "split", "students"]
    assert differences.splitlines()[1].split()[:4] == ["cnn", "valid", "12", "-10.0"]
    assert kinds == "men's and women's shoes are not compared: no students in test_w"
    assert hint.startswith("intervals are 95 %")
    assert end == "best by validation accuracy: siamese\nno baseline"


def test_every_table_of_metrics_fits_a_terminal_of_80_columns() -> None:
    longest = "efficientnet_finetuned"
    entry = {"model": longest, "against": "histogram", "split": "test_m", "students": 120} | metrics_of(-0.1)
    details = {
        "best": longest,
        "models": {model: {"test_m": metrics_of(0.9)} for model in ("histogram", longest)},
        "temperatures": {"histogram": 0.455, longest: 0.455},
        "differences": [entry],
        "kinds": {longest: {"students_m": 120, "students_w": 120} | metrics_of(-0.1)},
        "verdict": {"text": "clear"},
    }
    tables = [block for block in terminal_tables.evaluation_blocks(details) if isinstance(block, TextTable)]
    assert len(tables) == 4
    for table in tables:
        shown, left_out = fit_width(table, 80)
        assert shown is not None, "rows become records, hundreds of lines"
        assert "balanced" not in left_out
        assert max(map(len, shown.plain_text().splitlines())) <= 80
