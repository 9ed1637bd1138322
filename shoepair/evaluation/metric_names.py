"""Names of the metrics in metrics files, and selection of differences. Imports nothing slow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

METRIC_NAMES = (
    "positive",
    "negative",
    "balanced",
    "negative_all",
    "balanced_all",
    "auc",
    "eer",
    "tpr_1",
    "tpr_5",
)

# Names of an interval's ends, where they are not the metric's with `_low` and `_high`.
_INTERVAL_END_NAMES = {"balanced": ("low", "high"), "balanced_all": ("low_all", "high_all")}

BASELINE_MODEL = "histogram"  # uses colours only: every network must beat it
PRETRAINED_MODELS = ("efficientnet_frozen", "efficientnet_finetuned")  # tables show them after those from scratch
COMPARED_METRICS = ("balanced", "balanced_all", "auc")


def interval_names(metric: str) -> tuple[str, str, str]:
    """Return the names of a metric and of the ends of its interval: ("auc", "auc_low", "auc_high")."""
    return metric, *_INTERVAL_END_NAMES.get(metric, (f"{metric}_low", f"{metric}_high"))


def format_difference(differences: Mapping[str, Any], metric: str) -> str:
    """Format a difference of two shares with its interval, in percentage points: "+8.3 points (+2.1 to +14.5)"."""
    value, low, high = (100 * differences[name] + 0.0 for name in interval_names(metric))
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})"


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
