"""Names of the metrics in metrics files, and selection of differences. Imports nothing slow."""

from __future__ import annotations

from typing import Any

# Metric -> 1 if it is a mean over students, 2 if over pairs of students.
METRIC_ORDERS = {
    "positive": 1,
    "negative": 1,
    "balanced": 1,
    "negative_all": 1,
    "balanced_all": 1,
    "auc": 2,
    "eer": 1,
    "tpr_1": 1,
    "tpr_5": 1,
}

# Names of an interval's ends, where they are not the metric's with `_low` and `_high`.
_INTERVAL_END_NAMES = {"balanced": ("low", "high"), "balanced_all": ("low_all", "high_all")}

BASELINE_MODEL = "histogram"  # uses colours only: every network must beat it
COMPARED_METRICS = ("balanced", "balanced_all", "auc")


def interval_names(metric: str) -> tuple[str, str, str]:
    """Return the names of a metric and of the ends of its interval: ("auc", "auc_low", "auc_high")."""
    return metric, *_INTERVAL_END_NAMES.get(metric, (f"{metric}_low", f"{metric}_high"))


def differences_against(differences: list[dict[str, Any]], model: str, reference_model: str) -> list[dict[str, Any]]:
    """Select the differences between two models, with signs such that each is `model` minus `reference_model`."""
    selected = []
    for entry in differences:
        if (entry["model"], entry["against"]) == (model, reference_model):
            selected.append(entry)
        elif (entry["model"], entry["against"]) == (reference_model, model):
            selected.append(_reversed_difference(entry))
    return selected


def _reversed_difference(difference: dict[str, Any]) -> dict[str, Any]:
    """Return the difference with its models swapped: signs change, low and high are swapped."""
    swapped = difference | {"model": difference["against"], "against": difference["model"]}
    for name in difference.keys() - {"model", "against", "split", "students"}:
        partner = name.replace("low", "high") if "low" in name else name.replace("high", "low")
        swapped[name] = 0.0 - difference[partner]
    return swapped
