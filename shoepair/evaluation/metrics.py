"""Scores -> accuracies, positive and negative apart, curves and calibration, with intervals.

Positive accuracy is the share of same pairs called same (true positive rate); one minus it is the false *negative*
rate. Negative accuracy is the share of different pairs called different (true negative rate). Balanced accuracy is
their mean. Intervals are 95 %, from a bootstrap over students (bootstrap.py).

The standard pairs are three same and three different ones of every student, as the assignment has them. Names that
end in `_all` are over all six different pairs; so are ROC AUC and what else stands on the curve, and calibration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data.naming import SPLITS
from shoepair.data.schemas import students_of
from shoepair.evaluation import bootstrap, calibration, roc_curve
from shoepair.evaluation.metric_names import ENDS

MEASURED = tuple(split for split in SPLITS if split != "train")
TESTS = ("test_m", "test_w")
TEST = "test"  # the name of both together
SETS = (*MEASURED, TEST)
DIGITS = 4  # of every number written: below the last digit lies rounding, not a result

# What is measured, and whether it is a mean over students (1) or over pairs of students (2).
FIGURES = {
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

Array = NDArray[np.float64]


def of_set(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of one set; `test` is both test sets."""
    return scores[scores["split"].isin(TESTS if name == TEST else (name,))]


def labels_and_logits(scores: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """(P,) whether each pair is one, and (P,) its logit, same minus different."""
    return scores["same"].to_numpy() == 1, scores["logit"].to_numpy()


def tally(scores: pd.DataFrame) -> NDArray[np.int64]:
    """(T, 2, 2) counts: student ascending, (same, different) pairs, (right, all)."""
    same = scores["same"] == 1
    right = (scores["logit"] > 0) == same
    columns = {"a": same & right, "b": same, "c": ~same & right, "d": ~same}
    return pd.DataFrame(columns).groupby(students_of(scores)).sum().to_numpy(np.int64).reshape(-1, 2, 2)


def accuracies(counts: NDArray[Any]) -> Array:
    """(..., 2, 2) counts to (3, ...): positive, negative, balanced."""
    share = counts[..., 0] / counts[..., 1]
    return np.stack([share[..., 0], share[..., 1], share.mean(axis=-1)])


class Figures:
    """All `FIGURES` of one model on one set of students, for any weighting of the students: a bootstrap statistic.

    Args:
        scores: `Scores` rows of one model and one set, one student or more.
    """

    def __init__(self, scores: pd.DataFrame) -> None:
        self._standard, self._all = tally(scores[scores["standard"]]), tally(scores)
        self._same, self._logits = labels_and_logits(scores)
        who, names = pd.factorize(students_of(scores), sort=True)
        self._who = np.asarray(who)  # (P,) row of the student
        self.students, self.pairs = len(names), len(scores)

    def __call__(self, weights: Array) -> Array:
        """(R, T) how often each student counts, to (R, 9)."""
        standard = accuracies(np.tensordot(weights, self._standard, axes=1))  # (3, R)
        everything = accuracies(np.tensordot(weights, self._all, axes=1))[1:]  # (2, R)
        curves = bootstrap.in_parts(self._on_the_curve, weights, self.pairs)  # (R, 4): every draw weighs every pair
        return np.concatenate([standard, everything, curves.T]).T

    def _on_the_curve(self, weights: Array) -> Array:
        curve = roc_curve.roc(self._same, self._logits, weights[:, self._who])
        rates = [roc_curve.tpr_at(curve, fpr) for fpr in (0.01, 0.05)]
        return np.stack([roc_curve.area(curve), roc_curve.equal_error(curve), *rates], axis=1)


def intervals(scores: pd.DataFrame, resamples: int, seed: int) -> Array:
    """(9, 3): every one of `FIGURES` with the ends of its interval, not rounded; arguments as those of `metrics`."""
    figures = Figures(scores)
    return bootstrap.own(figures, figures.students, resamples, seed, powers=tuple(FIGURES.values()))


def metrics(scores: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """What one model does on one set of students.

    Args:
        scores: `Scores` rows of one model and one set, one student or more.
        resamples: bootstrap draws.
        seed: of the draws.

    Returns:
        `students`, `pairs`; for the standard pairs `positive`, `negative`, `balanced`; for all six different pairs
        `negative_all`, `balanced_all`, `auc` (ROC AUC), `eer` (equal error rate), `tpr_1`, `tpr_5` (true positive rate
        at 1 % and 5 % false positive rate); each with the ends of its interval as `<name>_low` and `<name>_high`, but
        `low`, `high` for `balanced` and `low_all`, `high_all` for `balanced_all`. All 0..1, four digits.
    """
    numbers: dict[str, Any] = {"students": students_of(scores).nunique(), "pairs": len(scores)}
    return numbers | named(list(FIGURES), intervals(scores, resamples, seed))


def named(figures: list[str], found: Array) -> dict[str, float]:
    """(K, 3) values and ends under their names, rounded."""
    numbers: dict[str, float] = {}
    for name, (value, low, high) in zip(figures, found.round(DIGITS).tolist(), strict=True):
        names = (name, *ENDS.get(name, (f"{name}_low", f"{name}_high")))
        numbers |= dict(zip(names, (value, low, high), strict=True))
    return numbers


def temperature(scores: pd.DataFrame) -> float:
    """The temperature of one model (`Scores` rows), fitted on the students of valid alone."""
    return calibration.temperature(*labels_and_logits(of_set(scores, "valid")))


def calibration_errors(scores: pd.DataFrame, heat: float) -> dict[str, float]:
    """`ece` and `ece_calibrated`: the expected calibration error as the model comes, and at a temperature."""
    same, logits = labels_and_logits(scores)
    heats = {"ece": 1.0, "ece_calibrated": heat}
    chances = {name: calibration.probabilities(logits, at) for name, at in heats.items()}
    return {name: round(calibration.error(same, each), DIGITS) for name, each in chances.items()}


def evaluate(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """What every model does on valid, test_m, test_w, and both tests together; a set without students is left out.

    Args:
        scores: `Scores` rows.
        models: in the order of params.yaml.
        resamples: bootstrap draws.
        seed: of the draws, the same for all models.

    Returns:
        model -> set -> what `metrics` and `calibration_errors` return.
    """
    details: dict[str, Any] = {}
    for model in models:
        own = scores[scores["model"] == model]
        heat = temperature(own)
        details[model] = {
            name: metrics(rows, resamples, seed) | calibration_errors(rows, heat)
            for name in SETS
            if len(rows := of_set(own, name))
        }
    return details


def best(details: dict[str, Any]) -> str:
    """Of what `evaluate` returns, the model with the best balanced accuracy on valid, the first one if equal.

    No test student has a say.
    """
    return max(details, key=lambda model: float(details[model]["valid"]["balanced"]))


def headline(details: dict[str, Any]) -> dict[str, Any]:
    """The few numbers, of what `evaluate` returns, that `dvc metrics show` and `diff` and `dvc exp show` print.

    Returns:
        `best`: the best model by validation, and its balanced accuracy on every set; then for every model and set the
        balanced accuracy on the standard pairs. Both tests together are in the details only.
    """
    chosen = best(details)
    table = {
        model: {name: each["balanced"] for name, each in sets.items() if name in MEASURED}
        for model, sets in details.items()
    }
    return {"best": {"model": chosen, **table[chosen]}, **table}
