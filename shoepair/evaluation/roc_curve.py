"""The receiver operating characteristic (ROC): error rates of a model's scores at every threshold.

A pair is called same where its score is above the threshold. The false positive rate is the share of different pairs
called same, the true positive rate that of same pairs called same. Pairs of equal score make one slanting segment of
the curve. Results agree with scikit-learn (test_roc_curve.py), which cannot compute curves for thousands of pair
weights at once, as the bootstrap needs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


class RocCurves(NamedTuple):
    """Points of R ROC curves: (0, 0), then one for each of the G different scores, descending, up to (1, 1)."""

    fpr: Array  # (R, G + 1)
    tpr: Array  # (R, G + 1)


def compute_roc_curves(
    same: NDArray[np.bool_], scores: NDArray[np.floating], weights: Array | None = None
) -> RocCurves:
    """Compute R ROC curves of the same pairs, one per row of pair weights, and return their points.

    Args:
        same: (P,) whether each pair is the same; both labels must occur.
        scores: (P,) the higher, the more similar.
        weights: (R, P) how often each pair counts, 0 or more; None: one curve, every pair counts once.

    Raises:
        ValueError: a curve has only same or only different pairs.
    """
    weights = np.ones((1, len(same))) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # the last pair of each score
    rates = []
    for label in (~same, same):
        above = np.cumsum(weights[:, order] * label[order], axis=1)[:, last]  # (R, G)
        if not (above[:, -1] > 0).all():
            message = "a ROC curve needs same and different pairs"
            raise ValueError(message)
        rates.append(np.pad(above / above[:, -1:], ((0, 0), (1, 0))))
    return RocCurves(*rates)


def roc_auc(curves: RocCurves) -> Array:
    """Return the area under each ROC curve, (R,): the probability that a same pair scores higher; ties count half."""
    return np.asarray(np.trapezoid(curves.tpr, curves.fpr, axis=1))


def equal_error_rate(curves: RocCurves) -> Array:
    """Return the equal error rate of each curve, (R,): where false positive and false negative rate are equal.

    Between two thresholds the curve is a straight line: choosing between them at random reaches each of its points.
    """
    excess = curves.fpr + curves.tpr - 1  # rises from -1 to 1
    after = np.argmax(excess >= 0, axis=1)[:, None]
    (start, end), (low, high) = (
        [np.take_along_axis(values, after - back, axis=1)[:, 0] for back in (1, 0)] for values in (excess, curves.fpr)
    )
    return np.asarray(low + (high - low) * start / (start - end))


def tpr_at_fpr(curves: RocCurves, max_fpr: float) -> Array:
    """Return the highest true positive rate at a false positive rate of at most `max_fpr`, of each curve: (R,).

    Thresholds are not interpolated: with fewer than 100 different pairs, 1 % means no false positive at all.
    """
    last = (curves.fpr <= max_fpr).sum(axis=1)[:, None] - 1
    return np.take_along_axis(curves.tpr, last, axis=1)[:, 0]


def first_curve_table(curves: RocCurves, digits: int) -> pd.DataFrame:
    """Return the corner points of the first curve as columns `fpr` and `tpr`, without points on straight lines."""
    points = np.stack([curves.fpr[0], curves.tpr[0]], axis=1)  # (G + 1, 2)
    steps = np.diff(points, axis=0)
    bends = np.abs(steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]) > np.finfo(float).eps
    return pd.DataFrame(points[np.concatenate([[True], bends, [True]])].round(digits), columns=["fpr", "tpr"])
