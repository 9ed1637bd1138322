"""Bootstrap over students: laws that hold for any class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.classes import mean

from shoepair.evaluation import bootstrap

shares = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 3)),
    elements=st.sampled_from([right / 6 for right in range(7)]),
)


@settings(deadline=None, max_examples=60)
@given(shares)
def test_interval_contains_the_value_and_is_within_0_and_1(values: np.ndarray) -> None:
    value, low, high = bootstrap.values_and_bca_intervals(mean(values), len(values), 200, 1).T
    assert value == pytest.approx(values.mean(axis=0), abs=1e-12)
    assert (low >= -1e-12).all()
    assert (low <= value + 1e-12).all()
    assert (value <= high + 1e-12).all()
    assert (high <= 1 + 1e-12).all()


@settings(deadline=None, max_examples=60)
@given(shares)
def test_interval_of_errors_mirrors_that_of_correct_answers(values: np.ndarray) -> None:
    right, wrong = (
        bootstrap.values_and_bca_intervals(mean(side), len(values), 200, 1) for side in (values, 1 - values)
    )
    assert 1 - wrong[:, [0, 2, 1]] == pytest.approx(right, abs=1e-9)
    ahead, behind = (
        bootstrap.paired_differences_and_intervals(mean(sign * values), len(values), 200, 1) for sign in (1, -1)
    )
    assert -behind[:, [0, 2, 1]] == pytest.approx(ahead, abs=1e-9)


def test_interval_of_a_symmetric_mean_is_that_of_students_t() -> None:
    offsets = np.random.default_rng(1).normal(0, 0.1, (7, 1))
    values = 0.5 + np.concatenate([offsets, [[0.0]], -offsets])  # as far above the mean as below
    value, low, high = bootstrap.values_and_bca_intervals(mean(values), 15, 20_000, 1)[0]
    half = 2.145 * values.std(ddof=1) / np.sqrt(15)  # 97.5 % of t with 14 degrees of freedom
    assert high - low == pytest.approx(2 * half, rel=0.06)
    assert (low + high) / 2 == pytest.approx(value, abs=0.1 * half)
    _, low, high = bootstrap.paired_differences_and_intervals(mean(values), 15, 20_000, 1)[0]
    assert high - low == pytest.approx(2 * half, rel=0.06)


def test_interval_of_no_errors_follows_the_rule_of_three() -> None:
    value, low, high = bootstrap.values_and_bca_intervals(mean(np.ones((20, 1))), 20, 200, 1)[0]
    assert (value, high) == (1, 1)
    assert low**20 == pytest.approx(0.025)  # a share of `low` in all students shows 20 right ones in 2.5 % of classes
    assert bootstrap.values_and_bca_intervals(mean(np.ones((20, 1))), 20, 200, 1, orders=(2,))[0, 1] == pytest.approx(
        low**2
    )


def test_interval_of_one_student_is_nearly_all_of_the_range() -> None:
    assert bootstrap.values_and_bca_intervals(mean(np.full((1, 1), 2 / 3)), 1, 200, 1)[0] == pytest.approx(
        [2 / 3, 1 / 60, 1 - 1 / 120]
    )
    assert bootstrap.paired_differences_and_intervals(mean(np.full((1, 1), 1.0)), 1, 200, 1)[0] == pytest.approx(
        [1, -0.95, 1]
    )


def test_chunks_of_bounded_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((30, 4))
    expected = bootstrap.values_and_bca_intervals(mean(values), 30, 300, 1)
    monkeypatch.setattr(bootstrap, "MAX_WEIGHTS_PER_CALL", 700)
    assert np.array_equal(bootstrap.values_and_bca_intervals(mean(values), 30, 300, 1), expected)


def test_leaving_out_groups_of_a_large_class_is_as_good_as_each_student(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).beta(5, 1, (400, 1))
    grouped = bootstrap.values_and_bca_intervals(mean(values), 400, 2000, 1)
    monkeypatch.setattr(bootstrap, "MAX_JACKKNIFE_GROUPS", 400)
    single = bootstrap.values_and_bca_intervals(mean(values), 400, 2000, 1)
    assert grouped == pytest.approx(single, abs=0.05 * float(single[0, 2] - single[0, 1]))


def test_unpaired_difference_adds_spreads_as_variances_are() -> None:
    first, second = np.array([[0.9, 0.8, 0.95]]), np.array([[0.7, 0.6, 0.74]])
    assert bootstrap.differences_of_intervals(first, second)[0] == pytest.approx(
        [0.2, 0.2 - np.hypot(0.1, 0.04), 0.2 + np.hypot(0.05, 0.1)]
    )
