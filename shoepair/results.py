"""What `shoepair metrics` and the stage evaluate print. Imports nothing slow: a table must not wait for torch."""

from __future__ import annotations

from typing import Any

from shoepair import report

BASELINE = "histogram"  # colour alone, no network: what every network must beat
COMPARED = ("balanced", "balanced_all", "auc")
HEADS = ("balanced", "all six: balanced", "ROC AUC")


def text(details: dict[str, Any]) -> str:
    """All that was measured, as tables.

    Args:
        details: what `comparison.assess` returns and `metrics/details.json` holds.
    """
    best = str(details["best"])
    parts = [
        report.accuracy_table(details["models"], best),
        score_table(details["models"], details["temperatures"], best),
        difference_table(details["differences"], BASELINE if BASELINE in details["models"] else best),
        kind_table(details["kinds"]),
        "intervals are 95 %, by bootstrap over students; with fewer than about 10 students take them as hints",
        f"best by validation accuracy: {best}\n{details['verdict']['text']}",
    ]
    return "\n\n".join(part for part in parts if part)


def score_table(models: dict[str, Any], temperatures: dict[str, float], best: str) -> str:
    """The curve and the calibration of every model on every set, the best first; over all six different pairs."""
    cells = [["model", "set", "ROC AUC", "equal error", "TPR at 1 % FPR", "at 5 %", "ECE", "calibrated", "temp."]]
    for model, name, got in report.standings(models, best):
        figures = [report.interval(got, figure) for figure in ("auc", "eer", "tpr_1", "tpr_5")]
        errors = [f"{got[figure]:.1%}" for figure in ("ece", "ece_calibrated")]
        cells.append([model, name, *figures, *errors, f"{temperatures[model]:.3g}"])
    return "\n".join(report.aligned(cells, texts=2))


def difference_table(differences: list[dict[str, Any]], base: str) -> str:
    """One model against every other, on every set that has students; nothing where there is one model.

    Args:
        differences: what `comparison.differences` returns.
        base: the model that all others are held against.
    """
    cells = [["model", "set", "students", *HEADS]]
    for entry in differences:
        if base in (entry["model"], entry["against"]):
            names = f"{entry['model']} - {entry['against']}"
            figures = [report.interval(entry, figure, "+") for figure in COMPARED]
            cells.append([names, entry["set"], str(entry["students"]), *figures])
    return "\n".join(report.aligned(cells, texts=2)) if len(cells) > 1 else ""


def kind_table(kinds: dict[str, Any]) -> str:
    """Men's shoes minus women's, a row per model; or why there is no such table."""
    if "left_out" in kinds:
        return f"men's and women's shoes are not compared: {kinds['left_out']}"
    cells = [["test_m - test_w", "students", *HEADS]]
    for model, got in kinds.items():
        counts = f"{got['students_m']} and {got['students_w']}"
        cells.append([model, counts, *(report.interval(got, figure, "+") for figure in COMPARED)])
    return "\n".join(report.aligned(cells, texts=1))
