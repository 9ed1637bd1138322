"""The receiver operating characteristic: what a model's scores can do at any threshold, not at nought alone.

A pair is called same where its score is above the threshold. The false positive rate is the share of different pairs
called same, the true positive rate that of same pairs called same. Pairs of equal score are called alike: they make
one step of the curve, a slanting one. All agrees with scikit-learn (test_roc_curve.py); it is written here
because the bootstrap needs the curve under two thousand weightings at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Curve(NamedTuple):
    """Points of R curves, from (0, 0) to (1, 1): one for each of the G different scores, falling, and the first."""

    fpr: Array  # (R, G + 1)
    tpr: Array  # (R, G + 1)


def roc(same: NDArray[np.bool_], scores: NDArray[np.floating], weights: Array | None = None) -> Curve:
    """The curve of some pairs, as often as one asks for.

    Args:
        same: (P,) whether each pair is one; both kinds must be there.
        scores: (P,) the higher, the more alike.
        weights: (R, P) how often each pair counts, 0 or more; without it, once.

    Raises:
        ValueError: a curve has only same or only different pairs.
    """
    weights = np.ones((1, len(same))) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # the last pair of each score
    rates = []
    for kind in (~same, same):
        above = np.cumsum(weights[:, order] * kind[order], axis=1)[:, last]  # (R, G)
        if not (above[:, -1] > 0).all():
            found = "a ROC curve needs same and different pairs"
            raise ValueError(found)
        rates.append(np.pad(above / above[:, -1:], ((0, 0), (1, 0))))
    return Curve(*rates)


def area(curve: Curve) -> Array:
    """(R,): ROC AUC, the chance that a same pair scores higher than a different one; ties count half."""
    return np.asarray(np.trapezoid(curve.tpr, curve.fpr, axis=1))


def equal_error(curve: Curve) -> Array:
    """(R,): the equal error rate, where as many different pairs are called same as same pairs are called different.

    Between two thresholds the curve is a straight line; a coin that chooses between them reaches each point of it.
    """
    excess = curve.fpr + curve.tpr - 1  # rises from -1 to 1
    after = np.argmax(excess >= 0, axis=1)[:, None]
    (start, end), (low, high) = (
        [np.take_along_axis(values, after - back, axis=1)[:, 0] for back in (1, 0)] for values in (excess, curve.fpr)
    )
    return np.asarray(low + (high - low) * start / (start - end))


def tpr_at(curve: Curve, fpr: float) -> Array:
    """(R,): the highest true positive rate of a threshold whose false positive rate is at most `fpr`.

    Nothing is drawn between thresholds: with fewer than 100 different pairs, 1 % means not a single one.
    """
    within = (curve.fpr <= fpr).sum(axis=1)[:, None] - 1
    return np.take_along_axis(curve.tpr, within, axis=1)[:, 0]


def table(curve: Curve, digits: int) -> pd.DataFrame:
    """The first curve's corners as columns `fpr` and `tpr`: points that only halve a straight line are left out."""
    points = np.stack([curve.fpr[0], curve.tpr[0]], axis=1)  # (G + 1, 2)
    steps = np.diff(points, axis=0)
    bends = np.abs(steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]) > np.finfo(float).eps
    return pd.DataFrame(points[np.concatenate([[True], bends, [True]])].round(digits), columns=["fpr", "tpr"])
