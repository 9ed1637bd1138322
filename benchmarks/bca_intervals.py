"""The intervals of versions before this one, to compare with: expanded BCa and percentile bootstrap intervals.

Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69, 2015; Efron and Tibshirani,
"An introduction to the bootstrap", 1993, chapter 14. Where all resamples agree: the rule of three by students.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from shoepair.evaluation.intervals import Array, Statistic, evaluate_in_chunks

TAIL_PROBABILITY = 0.025
TOLERANCE = 1e-12


def bca_intervals(
    statistic: Statistic, counts: NDArray[np.int64], orders: NDArray[np.int64], acceleration: Array
) -> Array:
    """Return K metrics with expanded BCa intervals: (K, 3) value, low, high; 0 to 1.

    Args:
        statistic: (R, T) weights to (R, K) metrics.
        counts: (R, T) how often each resample has each student.
        orders: (K,) 1 for a mean over students, 2 for one over pairs of students.
        acceleration: (K,) of `accelerations`.
    """
    value, resampled, z = _prepare(statistic, counts)
    below = (resampled < value - TOLERANCE).sum(axis=0) + (np.abs(resampled - value) <= TOLERANCE).sum(axis=0) / 2
    bias = ndtri(np.clip(below / len(counts), 1 / len(counts), 1 - 1 / len(counts)))
    low, high = (
        _quantiles(resampled, ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, TOLERANCE)))
        for shifted in (bias - z, bias + z)
    )
    ends = np.stack([np.minimum(low, value), np.maximum(high, value)])
    return _with_rule_of_three(value, resampled, ends, counts.shape[1], orders, 0.0)


def percentile_intervals(statistic: Statistic, counts: NDArray[np.int64]) -> Array:
    """Return K differences, -1 to 1, with expanded percentile intervals: (K, 3) value, low, high."""
    value, resampled, z = _prepare(statistic, counts)
    ends = np.stack([_quantiles(resampled, np.full(value.shape, ndtr(side * z))) for side in (-1.0, 1.0)])
    return _with_rule_of_three(value, resampled, ends, counts.shape[1], np.array([1]), -1.0)


def accelerations(statistic: Statistic, student_count: int) -> Array:
    """Return (K,) how the spread of each metric changes with it, by leaving out each student."""
    without = statistic(1 - np.eye(student_count))
    influence = without.mean(axis=0) - without
    spread = (influence**2).sum(axis=0) ** 1.5
    varied = spread > TOLERANCE**1.5
    return np.asarray(np.where(varied, (influence**3).sum(axis=0) / np.where(varied, 6 * spread, 1), 0))


def _prepare(statistic: Statistic, counts: NDArray[np.int64]) -> tuple[Array, Array, float]:
    students = counts.shape[1]
    value = statistic(np.ones((1, students)))[0]
    resampled = np.sort(evaluate_in_chunks(statistic, counts, students), axis=0)
    z = np.sqrt(students / (students - 1)) * stdtrit(students - 1, 1 - TAIL_PROBABILITY)
    return value, resampled, float(z)


def _quantiles(sorted_values: Array, probabilities: Array) -> Array:
    position = probabilities * (len(sorted_values) - 1)
    lower = np.clip(np.floor(position).astype(np.int64), 0, len(sorted_values) - 2)
    columns = np.arange(sorted_values.shape[1])
    below, above = sorted_values[lower, columns], sorted_values[lower + 1, columns]
    return np.asarray(below + (above - below) * (position - lower))


def _with_rule_of_three(
    value: Array, resampled: Array, ends: Array, students: int, orders: NDArray[np.int64], minimum: float
) -> Array:
    share = TAIL_PROBABILITY ** (orders / students)
    constant = resampled[-1] - resampled[0] <= TOLERANCE
    low = np.where(constant, share * value + (1 - share) * minimum, ends[0])
    high = np.where(constant, share * value + (1 - share), ends[1])
    return np.stack([value, low, high], axis=1)
