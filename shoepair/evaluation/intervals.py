"""95 % intervals of metrics and of their differences, over students.

A student's pairs share shoes, floor and light: students are independent, pairs are not. One mechanism for every metric
between 0 and 1, be it an accuracy, an area under a ROC curve or an error rate at a threshold:

1. **Spread.** Students are drawn with replacement (bootstrap); all metrics of all models are computed for each of the
   resamples. Their covariances, times T / (T - 1) for T students, are what sampling does to the metrics.
2. **Effective number of students.** A metric p whose variance is v has a *design effect* r = T v / (p (1 - p)): 1 if
   each student is all right or all wrong, 1/3 if a student's three pairs are independent. T / r is the number of
   independent answers that would tell as much (Kish, "Survey sampling", 1965; Korn and Graubard, "Confidence intervals
   for proportions with small expected number of positive counts estimated from survey data", Survey Methodology 24,
   1998). Few errors say little about r, no error says nothing: so r is a mean of what was seen, which counts as the
   T p (1 - p) errors it is seen in, and of an assumption, which counts as a quarter of an error. The assumption is
   2/3: three pairs with a correlation of 0.5.
3. **Interval.** Wilson's score interval (1927) with this number and with Student's t of T degrees of freedom. It stays
   within 0 to 1, contains p, and has a width where nothing went wrong. (Franco, Little, Louis and Slud, "Comparative
   study of confidence intervals for proportions in complex sample surveys", Journal of Survey Statistics and
   Methodology 7, 2019, compare such intervals.)
4. **Differences.** The distances of two metrics to the ends of their intervals are added as variances are, minus twice
   the correlation of the two in the resamples for the same students (Newcombe, "Improved confidence intervals for the
   difference between binomial proportions based on paired data", Statistics in Medicine 17, 1998; MOVER: Zou and
   Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008).

docs/statistics.md has how often these intervals held the truth in simulated classes, and how wide they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE_LEVEL = 0.95  # of every interval
ASSUMED_DESIGN_EFFECT = 2 / 3  # of a metric without an error: three pairs of a student, correlated by 0.5
ASSUMPTION_WEIGHT = 0.25  # how many observed errors the assumption is worth
MAX_WEIGHTS_PER_CALL = 2_000_000  # weights passed to a statistic at once: bounds its memory, no result depends on it
ROUNDING_TOLERANCE = 1e-12  # a smaller variance is rounding

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]  # (R, T) how often each student counts -> (R, K) metrics


class Estimates(NamedTuple):
    """K metrics of a set of students, each between 0 and 1, and what sampling of students does to them."""

    values: Array  # (K,)
    covariance: Array  # (K, K)
    student_count: int  # T


def estimate_by_bootstrap(statistic: Statistic, student_count: int, resamples: int, seed: int) -> Estimates:
    """Return K metrics of T students with their covariances over bootstrap resamples of the students.

    Args:
        statistic: (R, T) weights to (R, K) metrics, all between 0 and 1.
        student_count: T, 1 or more.
        resamples: number of resamples, R.
        seed: of the resamples.
    """
    values = statistic(np.ones((1, student_count)))[0]
    resampled = evaluate_in_chunks(statistic, _draw_resample_counts(student_count, resamples, seed), student_count)
    offsets = resampled - resampled.mean(axis=0)
    scale = student_count / max(student_count - 1, 1) / (resamples - 1)
    covariance = np.einsum("rj,rk->jk", offsets, offsets) * scale  # no BLAS, whose sums depend on its threads
    return Estimates(values, covariance, student_count)


def intervals_of(estimates: Estimates) -> Array:
    """Return the metrics with their intervals: (K, 3) value, low, high."""
    values, covariance, students = estimates
    errors = students * values * (1 - values)
    seen = students**2 * np.diag(covariance)
    design_effects = (seen + ASSUMPTION_WEIGHT * ASSUMED_DESIGN_EFFECT) / (errors + ASSUMPTION_WEIGHT)
    squared = stdtrit(students, (1 + CONFIDENCE_LEVEL) / 2) ** 2 * design_effects / students  # t^2 / effective number
    centre = (values + squared / 2) / (1 + squared)
    half = np.sqrt(squared * (values * (1 - values) + squared / 4)) / (1 + squared)
    low, high = np.clip(centre - half, 0, values), np.clip(centre + half, values, 1)
    return np.stack([values, low, high], axis=1)


def paired_differences(estimates: Estimates, columns: Sequence[int], other_columns: Sequence[int]) -> Array:
    """Return D metrics minus D others of the same students, with intervals: (D, 3) value, low, high.

    What makes a student hard for both models is in both metrics, cancels, and narrows the interval.

    Args:
        estimates: of all these metrics.
        columns: (D,) their positions.
        other_columns: (D,) the positions of those that are subtracted.
    """
    variances = np.diag(estimates.covariance)
    products = variances[columns] * variances[other_columns]
    varied = products > ROUNDING_TOLERANCE**2
    correlations = estimates.covariance[columns, other_columns] / np.sqrt(np.where(varied, products, 1))
    estimated = intervals_of(estimates)
    return _subtract(estimated[columns], estimated[other_columns], np.where(varied, correlations, 0).clip(-1, 1))


def unpaired_differences(minuends: Array, subtrahends: Array) -> Array:
    """Return the differences of metrics of different students, with intervals: all (D, 3) value, low, high."""
    return _subtract(minuends, subtrahends, np.zeros(len(minuends)))


def _subtract(minuends: Array, subtrahends: Array, correlations: Array) -> Array:
    """Return the differences of D metrics with intervals, by MOVER: all (D, 3) but the correlations (D,)."""
    (value, low, high), (other, other_low, other_high) = minuends.T, subtrahends.T
    below = _combine(value - low, other_high - other, correlations)
    above = _combine(high - value, other - other_low, correlations)
    return np.stack([value - other, value - other - below, value - other + above], axis=1)


def _combine(distance: Array, other_distance: Array, correlations: Array) -> Array:
    squares = distance**2 + other_distance**2 - 2 * correlations * distance * other_distance
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def _draw_resample_counts(student_count: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw bootstrap resamples and return (R, T) how often each student is drawn in each of them."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(student_count, np.full(student_count, 1 / student_count), size=resamples)


def evaluate_in_chunks(statistic: Statistic, weights: NDArray[Any], numbers_per_row: int) -> Array:
    """Evaluate a statistic of (R, T) weights in chunks of rows that fit into memory; return (R, K)."""
    step = max(1, MAX_WEIGHTS_PER_CALL // numbers_per_row)
    chunks = [weights[start : start + step] for start in range(0, len(weights), step)]
    return np.concatenate([statistic(chunk.astype(np.float64)) for chunk in chunks])
