"""Calibration: logits to probabilities by temperature scaling, and the expected calibration error.

The probability of "same" is 1 / (1 + exp(-logit / temperature)) (Guo et al.: "On calibration of modern neural
networks", ICML 2017). A temperature moves no pair across 0.5, so no accuracy and no curve depends on it. Same and
different pairs weigh the same, however many there are: the probability is that of two shoes that are as likely a pair
as not. A temperature is used only where it makes the probabilities of students better that it was not fitted to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 100.0  # beyond them probabilities are practically 0 and 1, or 0.5
HELD_OUT_PARTS = 5  # of the students, to see whether a temperature helps
CALIBRATION_BINS = 10  # of equal width, of the expected calibration error

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def fit_temperature(same: BoolArray, logits: NDArray[np.floating]) -> float:
    """Fit the temperature that maximizes the likelihood of the labels (temperature scaling) and return it.

    Labels are smoothed to (n + 1) / (n + 2) and 1 / (n + 2) for n pairs with the same label (Platt: "Probabilistic
    outputs for support vector machines", 1999): scores that separate the pairs without an error then get a
    temperature too, a lower one the more pairs there are. In 1 / temperature the likelihood is concave, so the maximum
    is unique.

    Args:
        same: (P,) whether each pair is the same.
        logits: (P,) same minus different.

    Returns:
        0.01 to 100, four significant digits. Scores worse than chance get 100: all probabilities near 0.5. Where there
        is nothing to fit, 1: no pairs, pairs with one label only, or all logits 0.
    """
    if same.all() or not same.any() or not logits.any():
        return 1.0
    values = logits.astype(np.float64)
    margins = np.where(same, 1, -1) * values  # above 0 where the logit is right
    counts = np.where(same, same.sum(), (~same).sum())
    weights, smooth = 0.5 / counts, 1 / (counts + 2)  # of each pair; label smoothing

    def cost(log_temperature: float) -> float:
        scaled = margins / np.exp(log_temperature)
        losses = np.logaddexp(0, -scaled) + smooth * scaled
        return float(weights @ losses)

    limits = [MIN_TEMPERATURE, MAX_TEMPERATURE]
    from scipy.optimize import minimize_scalar  # imported late: the report fits nothing

    result = minimize_scalar(cost, bounds=np.log(limits), method="bounded", options={"xatol": 1e-8})
    candidates = [*limits, float(np.exp(result.x))]
    return float(f"{min(candidates, key=lambda temperature: cost(np.log(temperature))):.4g}")


def fit_temperature_where_it_helps(
    same: BoolArray, logits: NDArray[np.floating], students: NDArray[np.object_]
) -> float:
    """Fit the temperature, or return 1 where one does not help students that it was not fitted to.

    It is fitted to four fifths of the students and tried on the others, five times. It helps if their mean logarithmic
    loss gets smaller by more than the standard error of this gain over students.

    Args:
        same: (P,) whether each pair is the same.
        logits: (P,) same minus different.
        students: (P,) the student of each pair.
    """
    names, index = np.unique(students, return_inverse=True)
    parts = min(HELD_OUT_PARTS, len(names))
    if parts < 2:  # nobody to hold out
        return 1.0
    gains = np.zeros(len(names))
    weights = class_balanced_weights(same) * len(names)
    margins = np.where(same, 1, -1) * logits.astype(np.float64)
    for part in range(parts):
        held_out = index % parts == part
        temperature = fit_temperature(same[~held_out], logits[~held_out])
        gain = np.logaddexp(0, -margins[held_out]) - np.logaddexp(0, -margins[held_out] / temperature)
        np.add.at(gains, index[held_out], weights[held_out] * gain)
    error = gains.std(ddof=1) / np.sqrt(len(names))
    return fit_temperature(same, logits) if gains.mean() > error else 1.0


def calibrated_probabilities(logits: NDArray[np.floating], temperature: float) -> Array:
    """Convert (P,) logits to (P,) probabilities of "same", divided by the temperature first."""
    return np.asarray(expit(logits.astype(np.float64) / temperature))


def class_balanced_weights(same: BoolArray) -> Array:
    """Return (P,) pair weights that sum to 1, half on same and half on different pairs; with one label, equal ones."""
    weights = np.where(same, 1 / max(same.sum(), 1), 1 / max((~same).sum(), 1))
    return np.asarray(weights / weights.sum())


def expected_calibration_error(same: BoolArray, probabilities: Array) -> float:
    """Return the expected calibration error, 0 to 1: the mean gap between probability and share of same pairs.

    Ten bins of equal width over the probability of "same" (Naeini et al.: "Obtaining well calibrated probabilities
    using Bayesian binning", AAAI 2015). With few pairs it is above 0 even for perfect probabilities.

    Args:
        same: (P,) whether each pair is the same; at least one pair.
        probabilities: (P,) probability of "same".
    """
    return float(np.abs(weighted_bin_sums(same, probabilities, probabilities - same)).sum())


def weighted_bin_sums(same: BoolArray, probabilities: Array, values: NDArray[Any]) -> Array:
    """Sum a value per pair, (P,), over the 10 probability bins with class-balanced weights, and return (10,)."""
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return np.asarray(np.bincount(bins, class_balanced_weights(same) * values, CALIBRATION_BINS), np.float64)
