"""Metrics as the tables that `shoepair metrics` and `shoepair crossval` print.

Imports no slow library: tables do not wait for torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shoepair.evaluation.metric_names import (
    BASELINE_MODEL,
    PRETRAINED_MODELS,
    differences_against,
    format_difference,
    interval_names,
)
from shoepair.reports.text_tables import Block, TextTable

ROC_METRICS = ("auc", "eer", "tpr_1", "tpr_5")
METRIC_TITLES = {
    "positive": "positive",
    "negative": "negative",
    "balanced": "balanced",
    "negative_all": "all six: negative",
    "balanced_all": "all six: balanced",
}
DIFFERENCE_TITLES = {"balanced": "balanced", "balanced_all": "all six: balanced", "auc": "ROC AUC"}
ABOVE = "above_"  # starts the names of differences of cross-validations
CV_DIFFERENCE_TITLES = {"above_histogram": "above the histogram", "above_first": "above the first tried"}


def evaluation_blocks(details: dict[str, Any]) -> list[Block]:
    """Return all evaluation results as tables and lines: what `comparison.compare_models` returns."""
    best = str(details["best"])
    parts = [
        accuracy_table(details["models"], best),
        roc_and_calibration_table(details),
        difference_table(details["differences"], BASELINE_MODEL if BASELINE_MODEL in details["models"] else best),
        men_vs_women_block(details["kinds"]),
        "intervals are 95 %, over students; differences are in percentage points",
        f"best by validation accuracy: {best}\n{details['verdict']['text']}",
    ]
    return [block for part in parts if part for block in (part, "")][:-1]


def accuracy_table(metrics_by_model: dict[str, Any], best_model: str) -> TextTable:
    """Return the accuracies with intervals: a row per model and split; see `iter_models_in_order`."""
    cells = [["model", "split", *METRIC_TITLES.values()]]
    cells += [
        [model, split, *format_values_and_intervals(stats, METRIC_TITLES)]
        for model, split, stats in iter_models_in_order(metrics_by_model, best_model)
    ]
    return TextTable(cells, 2, optional=(5, 2, 3), bold_rows=_rows_of(cells, best_model))


def _rows_of(cells: list[list[str]], model: str) -> frozenset[int]:
    """Return the numbers of the rows of a model."""
    return frozenset(number for number, row in enumerate(cells) if row[0] == model)


def roc_and_calibration_table(details: dict[str, Any]) -> TextTable:
    """Return ROC metrics and calibration of every model and split; see `iter_models_in_order`."""
    head = [
        "model",
        "split",
        "ROC AUC",
        "equal error",
        "TPR at 1 % FPR",
        "TPR at 5 % FPR",
        "ECE",
        "calibrated",
        "temp.",
    ]
    cells = [head, *roc_and_calibration_rows(details, {})]
    return TextTable(cells, 2, optional=(5, 4, 8, 6, 7, 3), bold_rows=_rows_of(cells, details["best"]))


def roc_and_calibration_rows(details: dict[str, Any], split_titles: Mapping[str, str]) -> list[list[str]]:
    """Return the cells of `roc_and_calibration_table`, a row per model and split; untitled splits keep their name."""
    rows = []
    for model, split, stats in iter_models_in_order(details["models"], details["best"]):
        errors = [f"{stats[name]:.1%}" for name in ("ece", "ece_calibrated")]
        temperature = f"{details['temperatures'][model]:.3g}"
        title = split_titles.get(split, split)
        rows.append([model, title, *format_values_and_intervals(stats, ROC_METRICS), *errors, temperature])
    return rows


def difference_table(differences: list[dict[str, Any]], reference_model: str) -> TextTable | None:
    """Return every model's difference to a reference model; None if there is only one model."""
    models = dict.fromkeys(entry[side] for entry in differences for side in ("against", "model"))
    cells = [
        [model, entry["split"], str(entry["students"]), *format_values_and_intervals(entry, DIFFERENCE_TITLES, "+")]
        for model in models
        for entry in differences_against(differences, model, reference_model)
    ]
    head = [f"minus {reference_model}", "split", "students", *DIFFERENCE_TITLES.values()]
    return TextTable([head, *cells], 2, optional=(4, 5, 2)) if cells else None


def men_vs_women_block(differences: dict[str, Any]) -> Block:
    """Return men's minus women's shoes, a row per model; or why they are not compared."""
    if "left_out" in differences:
        return f"men's and women's shoes are not compared: {differences['left_out']}"
    head = ["test_m - test_w", "students", *DIFFERENCE_TITLES.values()]
    return TextTable([head, *men_vs_women_rows(differences)], 1, optional=(3, 4, 1))


def men_vs_women_rows(differences: dict[str, Any]) -> list[list[str]]:
    """Return the cells of `men_vs_women_block`, a row per model; none if a test split is empty."""
    return [
        [
            model,
            f"{stats['students_m']} and {stats['students_w']}",
            *format_values_and_intervals(stats, DIFFERENCE_TITLES, "+"),
        ]
        for model, stats in differences.items()
        if model != "left_out"
    ]


def cv_table(cv_metrics: dict[str, Any]) -> TextTable:
    """Return cross-validation metrics, the best model first."""
    differences = sorted({name for stats in cv_metrics.values() for name in stats if name.startswith(ABOVE)})
    differences.sort(key="above_first".__eq__)  # last
    cells = [["model", "students", "positive", "negative", "balanced", "ROC AUC", "TPR at 1 % FPR"]]
    cells[0] += [CV_DIFFERENCE_TITLES.get(name, f"above {name.removeprefix(ABOVE)}") for name in differences]
    for model, stats in sorted(cv_metrics.items(), key=lambda item: -float(item[1]["balanced_all"])):
        gains = [
            format_value_and_interval(stats[name], "balanced_all", "+") if name in stats else "-"
            for name in differences
        ]
        cells.append([*cv_row(model, stats), *gains])
    return TextTable(cells, 1, optional=(6, 3, 2, 1, 5), bold_rows=frozenset({1}))


def cv_row(model: str, metrics: dict[str, Any]) -> list[str]:
    """Return the cells of one model's cross-validation metrics: model, students, intervals."""
    intervals = format_values_and_intervals(metrics, ("positive", "negative_all", "balanced_all", "auc", "tpr_1"))
    return [model, str(metrics["students"]), *intervals]


def heap_table(entries: list[dict[str, Any]]) -> TextTable:
    """Return how many pairs of heaps of shoes are put together right: what `heaps.measure_heaps` returns."""
    cells = [["model", "sides", "shoes", "heaps", "pairs right (95 % of the heaps)"]]
    for entry in entries:
        share = f"{entry['right']:.1%} ({100 * entry['low']:.1f} to {100 * entry['high']:.1f})"
        sides = "known" if entry["sides_known"] else "unknown"
        cells.append([entry["model"], sides, str(entry["shoes"]), str(entry["heaps"]), share])
    return TextTable(cells, 2, optional=(3,))


def iter_models_in_order(
    metrics_by_model: dict[str, Any], best_model: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield model, split and metrics: models from scratch first, of these the best one, test splits before valid."""
    for model in sorted(metrics_by_model, key=lambda name: (name in PRETRAINED_MODELS, name != best_model)):
        for split, stats in sorted(metrics_by_model[model].items(), key=lambda item: item[0] == "valid"):
            yield model, split, stats


def format_values_and_intervals(metrics: dict[str, float], metric_names: Iterable[str], sign: str = "") -> list[str]:
    """Format several metrics with their intervals, in percent."""
    return [format_value_and_interval(metrics, name, sign) for name in metric_names]


def format_value_and_interval(metrics: dict[str, float], metric_name: str, sign: str = "") -> str:
    """Format one metric with its interval, in percent, "87.5% (80.1 to 92.3)"; with `sign` "+" a difference.

    A difference is in percentage points, as `metric_names.format_difference` writes it.
    """
    if sign:
        return format_difference(metrics, metric_name)
    value, low, high = (metrics[name] for name in interval_names(metric_name))
    return f"{value:.1%} ({100 * low:.1f} to {100 * high:.1f})"
