"""The names of the figures in metrics files, and how differences are found there. Imports nothing slow."""

from __future__ import annotations

from typing import Any

# The names of an interval's ends, where they are not the figure's with `_low` and `_high`.
ENDS = {"balanced": ("low", "high"), "balanced_all": ("low_all", "high_all")}

BASELINE = "histogram"  # colour alone, no network: what every network must beat
COMPARED = ("balanced", "balanced_all", "auc")


def against(found: list[dict[str, Any]], model: str, other: str) -> list[dict[str, Any]]:
    """The entries of `differences` about two models, turned so that each is `model` minus `other`."""
    turned = []
    for entry in found:
        if (entry["model"], entry["against"]) == (model, other):
            turned.append(entry)
        elif (entry["model"], entry["against"]) == (other, model):
            turned.append(_turned(entry))
    return turned


def _turned(entry: dict[str, Any]) -> dict[str, Any]:
    """The same difference seen from the other side: signs change, and low and high change places."""
    turned = entry | {"model": entry["against"], "against": entry["model"]}
    for name in entry.keys() - {"model", "against", "set", "students"}:
        partner = name.replace("low", "high") if "low" in name else name.replace("high", "low")
        turned[name] = 0.0 - entry[partner]
    return turned
