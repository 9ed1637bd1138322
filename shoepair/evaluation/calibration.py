"""Scores -> probabilities that mean what they say: temperature scaling, and how far off they are.

The probability of "same" is 1 / (1 + exp(-logit / temperature)) (Guo et al.: "On calibration of modern neural
networks", ICML 2017). One number moves no pair across 0.5, so no accuracy and no curve depends on it. Same and
different pairs weigh the same, however many there are: the probability is that of someone who holds two shoes that are
as likely a pair as not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

COOLEST, HOTTEST = 0.01, 100.0  # temperatures; beyond them probabilities are 0 and 1, or 0.5, to all purposes
BINS = 10  # of equal width, of the expected calibration error

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def temperature(same: Flags, logits: NDArray[np.floating]) -> float:
    """The temperature that makes the pairs most likely.

    Fitted to smoothed labels, (n + 1) / (n + 2) and 1 / (n + 2) for 1 and 0 of n pairs of a kind (Platt:
    "Probabilistic outputs for support vector machines", 1999): scores that divide the pairs without a mistake then
    get a temperature too, and a cooler one the more pairs there are. In 1 / temperature the likelihood is concave, so
    there is one answer.

    Args:
        same: (P,) whether each pair is one.
        logits: (P,) same minus different.

    Returns:
        0.01 to 100, four significant digits. Scores that tell less than nothing get 100: all probabilities near 0.5.
        Where there is nothing to fit, 1: no pairs, pairs of one kind only, or all logits 0.
    """
    if same.all() or not same.any() or not logits.any():
        return 1.0
    values = logits.astype(np.float64)
    ahead = np.where(same, 1, -1) * values
    counts = np.where(same, same.sum(), (~same).sum())
    weights, smooth = 0.5 / counts, 1 / (counts + 2)  # of a pair; the chance that its label is wrong

    def cost(log_temperature: float) -> float:
        scaled = ahead / np.exp(log_temperature)
        losses = np.logaddexp(0, -scaled) + smooth * scaled
        return float(weights @ losses)

    found = minimize_scalar(cost, bounds=np.log([COOLEST, HOTTEST]), method="bounded", options={"xatol": 1e-8})
    ends = [COOLEST, HOTTEST, float(np.exp(found.x))]
    return float(f"{min(ends, key=lambda value: cost(np.log(value))):.4g}")


def probabilities(logits: NDArray[np.floating], heat: float) -> Array:
    """(P,) logits, same minus different, to the (P,) probability of "same" at a temperature."""
    return np.asarray(expit(logits.astype(np.float64) / heat))


def balance(same: Flags) -> Array:
    """(P,) weights that sum to 1, half of it for either kind of pair; all of it for a kind that is alone."""
    weights = np.where(same, 1 / max(same.sum(), 1), 1 / max((~same).sum(), 1))
    return np.asarray(weights / weights.sum())


def error(same: Flags, chances: Array) -> float:
    """Expected calibration error, 0 to 1: how far probability and share of same pairs lie apart, on average.

    Ten bins of equal width over the probability of "same" (Naeini et al.: "Obtaining well calibrated probabilities
    using Bayesian binning", AAAI 2015). With few pairs it is above 0 even for perfect probabilities.

    Args:
        same: (P,) whether each pair is one; one pair or more.
        chances: (P,) probability of "same".
    """
    return float(np.abs(bin_sums(same, chances, chances - same)).sum())


def bin_sums(same: Flags, chances: Array, values: NDArray[Any]) -> Array:
    """(P,) a value of each pair to (10,) weighted sums over the bins of probability; either kind weighs half."""
    bins = np.minimum((chances * BINS).astype(np.int64), BINS - 1)
    return np.asarray(np.bincount(bins, balance(same) * values, BINS), np.float64)
