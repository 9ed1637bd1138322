"""Temperature and calibration error: known answers, properties, and cases with nothing to fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from shoepair.evaluation import calibration

pair = st.tuples(st.booleans(), st.floats(-5, 5, width=32))


def columns(pairs: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    same, logits = zip(*pairs, strict=True)
    return np.array(same), np.array(logits, dtype=np.float32)


def calibrated_pairs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and calibrated logits of pairs, about as many same as different."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, count)
    return rng.random(count) < 1 / (1 + np.exp(-logits)), logits


@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
def test_temperature_of_scaled_logits_is_their_scale(scale: float) -> None:
    same, logits = calibrated_pairs(20_000, 1)
    fitted = calibration.fit_temperature(same, scale * logits)
    assert fitted == pytest.approx(scale, rel=0.03)
    before, after = (
        calibration.expected_calibration_error(same, calibration.calibrated_probabilities(scale * logits, divisor))
        for divisor in (1, fitted)
    )
    assert after < 0.015
    assert after <= before + 0.002


def test_temperature_is_that_of_logistic_regression_without_intercept() -> None:
    same, logits = calibrated_pairs(4000, 2)
    fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    fitted.fit(logits[:, None], same, sample_weight=calibration.class_balanced_weights(same) * len(same))
    assert calibration.fit_temperature(same, logits) == pytest.approx(1 / fitted.coef_[0, 0], rel=0.01)


@settings(deadline=None, max_examples=100)
@given(st.lists(pair, min_size=2, max_size=30))
def test_temperature_is_bounded(pairs: list[tuple[bool, float]]) -> None:
    assert 0.01 <= calibration.fit_temperature(*columns(pairs)) <= 100


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 2.0, 4.0]))
def test_temperature_scales_with_the_logits(seed: int, factor: float) -> None:
    same, logits = calibrated_pairs(100, seed)
    plain, scaled = (calibration.fit_temperature(same, scale * logits) for scale in (1, factor))
    assert scaled == pytest.approx(factor * plain, rel=2e-3)


def test_cases_with_nothing_to_fit() -> None:
    both = np.array([True, True, False, False])
    assert calibration.fit_temperature(both[:0], np.array([])) == 1
    assert calibration.fit_temperature(both, np.zeros(4)) == 1
    assert calibration.fit_temperature(both[:2], np.array([3.0, 1.0])) == 1
    assert calibration.fit_temperature(both, np.full(4, 2.0)) == 100, "equal logits say nothing"
    assert calibration.fit_temperature(both, np.array([-1.0, -2, 1, 2])) == 100, "worse than chance"
    assert calibration.fit_temperature(both, np.array([1000.0, 2000, -1000, -2000])) == 100, "limited"


def test_temperature_of_separated_pairs_falls_with_their_number() -> None:
    temperatures = []
    for count in (3, 30, 300):
        same = np.repeat([True, False], count)
        temperatures.append(calibration.fit_temperature(same, np.where(same, 1.0, -1.0)))
    expected = [1 / np.log(count + 1) for count in (3, 30, 300)]  # where p = (n + 1) / (n + 2)
    assert temperatures == pytest.approx(expected, rel=1e-3)


@settings(deadline=None)
@given(st.lists(pair, min_size=2, max_size=30), st.floats(0.1, 10))
def test_probability_keeps_order_and_verdict(pairs: list[tuple[bool, float]], temperature: float) -> None:
    _, logits = columns(pairs)
    probabilities = calibration.calibrated_probabilities(logits, temperature)
    assert (np.diff(probabilities[np.argsort(logits)]) >= 0).all()
    assert ((probabilities > 0.5) <= (logits > 0)).all()
    assert (probabilities >= 0).all()
    assert (probabilities <= 1).all()


def test_calibration_error_by_hand() -> None:
    same = np.array([True, True, False, False])
    assert calibration.expected_calibration_error(same, np.array([1.0, 1, 0, 0])) == 0
    assert calibration.expected_calibration_error(same, np.array([0.0, 0, 1, 1])) == 1
    assert calibration.expected_calibration_error(same, np.full(4, 0.5)) == 0, "half of all are same"
    assert calibration.expected_calibration_error(same, np.array([0.92, 0.92, 0.92, 0.08])) == pytest.approx(
        abs(0.75 * 0.92 - 0.5) + 0.25 * 0.08
    )
    more = np.array([True, False, False, False])
    assert calibration.expected_calibration_error(more, np.full(4, 0.5)) == pytest.approx(0), (
        "labels weigh the same, however many pairs have them"
    )


def scores_of_students(students: int, scale: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels, logits and students; `scale` times the logits of right probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, 6 * students)
    same = rng.uniform(size=len(logits)) < 1 / (1 + np.exp(-logits))
    return same, scale * logits, np.repeat([f"u{number}" for number in range(students)], 6)


@pytest.mark.parametrize("seed", range(3))
def test_temperature_is_used_only_where_it_helps_students_it_was_not_fitted_to(seed: int) -> None:
    assert calibration.fit_temperature_where_it_helps(*scores_of_students(30, 1, seed)) == 1
    same, logits, students = scores_of_students(30, 8, seed)
    temperature = calibration.fit_temperature_where_it_helps(same, logits, students)
    assert temperature == calibration.fit_temperature(same, logits) > 2


def test_single_student_or_none_gets_no_temperature() -> None:
    for students in (0, 1):
        assert calibration.fit_temperature_where_it_helps(*scores_of_students(students, 8, 1)) == 1
