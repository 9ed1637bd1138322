"""What `shoepair metrics` and the stage evaluate print. Imports nothing slow: a table must not wait for torch."""

from __future__ import annotations

from typing import Any

from shoepair import report
from shoepair.evaluation.metric_names import BASELINE, COMPARED, against

BESIDE = {"above_histogram": "above the histogram", "above_first": "above the first tried"}  # in a cross-validation
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
    """Every other model minus one, on every set that has students; nothing where there is one model alone.

    Args:
        differences: what `comparison.differences` returns.
        base: the model that all others are held against.
    """
    cells = [[f"minus {base}", "set", "students", *HEADS]]
    for model in dict.fromkeys(entry[side] for entry in differences for side in ("against", "model")):
        for entry in against(differences, model, base):
            figures = [report.interval(entry, figure, "+") for figure in COMPARED]
            cells.append([model, entry["set"], str(entry["students"]), *figures])
    return "\n".join(report.aligned(cells, texts=2)) if len(cells) > 1 else ""


def fold_table(found: dict[str, Any]) -> str:
    """What a cross-validation gave: the best first, over all six different pairs.

    Args:
        found: what `crossval.summary` returns.
    """
    beside = [(name, head) for name, head in BESIDE.items() if any(name in got for got in found.values())]
    cells = [["model", "students", "positive", "negative", "balanced", "ROC AUC", *(head for _, head in beside)]]
    for told, got in sorted(found.items(), key=lambda item: -float(item[1]["balanced_all"])):
        figures = [report.interval(got, figure) for figure in ("positive", "negative_all", "balanced_all", "auc")]
        figures += [report.interval(got[name], "balanced_all", "+") if name in got else "-" for name, _ in beside]
        cells.append([told, str(got["students"]), *figures])
    return "\n".join(report.aligned(cells, texts=1))


def kind_table(kinds: dict[str, Any]) -> str:
    """Men's shoes minus women's, a row per model; or why there is no such table."""
    if "left_out" in kinds:
        return f"men's and women's shoes are not compared: {kinds['left_out']}"
    cells = [["test_m - test_w", "students", *HEADS]]
    for model, got in kinds.items():
        counts = f"{got['students_m']} and {got['students_w']}"
        cells.append([model, counts, *(report.interval(got, figure, "+") for figure in COMPARED)])
    return "\n".join(report.aligned(cells, texts=1))
