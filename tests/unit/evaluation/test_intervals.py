"""Intervals over students: laws that hold for any class, and what they are at the edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest, t
from support.classes import mean

from shoepair.evaluation import intervals
from shoepair.evaluation.intervals import Array

shares = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(2, 4)),
    elements=st.sampled_from([right / 6 for right in range(7)]),
)


def interval(values: np.ndarray, resamples: int = 200) -> Array:
    """Return value, low, high of each column of values per student."""
    return intervals.intervals_of(intervals.estimate_by_bootstrap(mean(values), len(values), resamples, 1))


def difference(values: np.ndarray, resamples: int = 200) -> Array:
    """Return the first column minus the second one, with its interval."""
    estimates = intervals.estimate_by_bootstrap(mean(values), len(values), resamples, 1)
    return np.asarray(intervals.paired_differences(estimates, [0], [1])[0])


@settings(deadline=None, max_examples=60)
@given(shares)
def test_interval_contains_the_value_is_within_0_and_1_and_never_empty(values: np.ndarray) -> None:
    value, low, high = interval(values).T
    assert value == pytest.approx(values.mean(axis=0), abs=1e-12)
    assert (low >= 0).all()
    assert (low <= value).all()
    assert (value <= high).all()
    assert (high <= 1).all()
    assert (high - low > 0.01).all()


@settings(deadline=None, max_examples=60)
@given(shares)
def test_interval_of_errors_mirrors_that_of_correct_answers(values: np.ndarray) -> None:
    right, wrong = interval(values), interval(1 - values)
    assert 1 - wrong[:, [0, 2, 1]] == pytest.approx(right, abs=1e-9)
    ahead, behind = difference(values), difference(values[:, 1::-1])
    assert -behind[[0, 2, 1]] == pytest.approx(ahead, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(shares)
def test_difference_lies_within_its_interval_and_within_1(values: np.ndarray) -> None:
    value, low, high = difference(values)
    assert low + 1e-9 >= -1
    assert low <= value <= high
    assert high <= 1 + 1e-9


def test_interval_of_a_middling_mean_is_nearly_that_of_students_t() -> None:
    offsets = np.random.default_rng(1).normal(0, 0.2, (40, 1)).clip(-0.5, 0.5)
    values = 0.5 + np.concatenate([offsets, -offsets])
    value, low, high = interval(values, 5000)[0]
    half = t.ppf(0.975, 79) * values.std(ddof=1) / np.sqrt(80)
    assert high - low == pytest.approx(2 * half, rel=0.08)
    assert (low + high) / 2 == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("students", [5, 15, 30, 100])
def test_interval_of_no_error_is_as_wide_as_that_of_half_as_many_more_students(students: int) -> None:
    """With three pairs correlated by 0.5, T students tell as much as 1.5 T independent answers."""
    value, low, high = interval(np.ones((students, 1)))[0]
    assert (value, high) == (1, 1)
    exact = binomtest(round(1.5 * students), round(1.5 * students)).proportion_ci(0.95, "exact").low
    assert low == pytest.approx(exact, abs=0.11 if students == 5 else 0.02)


def test_more_students_narrow_the_interval_of_no_error() -> None:
    lows = [interval(np.ones((students, 1)))[0, 1] for students in (1, 2, 5, 15, 30, 100)]
    assert lows == sorted(lows)
    assert lows[0] < 0.05, "one student says nearly nothing"
    assert lows[3] == pytest.approx(0.832, abs=0.001), "with 15 students; as docs/statistics.md says"


def test_pairs_that_agree_within_students_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    together = np.repeat(rng.random((60, 1)) < 0.8, 3, axis=1)  # all three pairs of a student, or none
    apart = rng.permuted(together, axis=0)  # as many pairs right, of any students
    widths = [float(np.ptp(interval(side.mean(axis=1, keepdims=True), 1000)[0, 1:])) for side in (together, apart)]
    assert widths[0] == pytest.approx(np.sqrt(3) * widths[1], rel=0.25)


def test_paired_difference_is_narrower_where_both_find_the_same_students_hard() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random((60, 1))
    other = np.clip(hard + rng.normal(0, 0.05, hard.shape), 0, 1)
    paired = difference(np.hstack([hard, other]))
    strangers = difference(np.hstack([hard, rng.permuted(other, axis=0)]))
    assert np.ptp(paired[1:]) < 0.4 * np.ptp(strangers[1:])


def test_difference_of_two_models_without_an_error_has_a_width() -> None:
    value, low, high = difference(np.ones((15, 2)))
    assert value == 0
    assert -0.2 < low < -0.1
    assert 0.1 < high < 0.2


def test_unpaired_difference_adds_spreads_as_variances_are() -> None:
    first, second = np.array([[0.9, 0.8, 0.95]]), np.array([[0.7, 0.6, 0.74]])
    assert intervals.unpaired_differences(first, second)[0] == pytest.approx(
        [0.2, 0.2 - np.hypot(0.1, 0.04), 0.2 + np.hypot(0.05, 0.1)]
    )


def test_chunks_of_bounded_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((30, 4))
    expected = interval(values, 300)
    monkeypatch.setattr(intervals, "MAX_WEIGHTS_PER_CALL", 700)
    assert np.array_equal(interval(values, 300), expected)
