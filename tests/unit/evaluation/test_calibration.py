"""Temperature and calibration error: known answers, laws, and the cases where there is nothing to fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from shoepair.evaluation import calibration

pair = st.tuples(st.booleans(), st.floats(-5, 5, width=32))


def columns(pairs: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    same, logits = zip(*pairs, strict=True)
    return np.array(same), np.array(logits, dtype=np.float32)


def honest(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs whose logits are the true ones, as many same as different."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, count)
    return rng.random(count) < 1 / (1 + np.exp(-logits)), logits


@pytest.mark.parametrize("heat", [0.2, 1.0, 7.0])
def test_temperature_is_found_again(heat: float) -> None:
    same, logits = honest(20_000, 1)
    found = calibration.temperature(same, heat * logits)
    assert found == pytest.approx(heat, rel=0.03)
    before, after = (calibration.error(same, calibration.probabilities(heat * logits, at)) for at in (1, found))
    assert after < 0.015
    assert after <= before + 0.002


def test_temperature_is_that_of_logistic_regression_without_intercept() -> None:
    same, logits = honest(4000, 2)
    fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    fitted.fit(logits[:, None], same, sample_weight=calibration.balance(same) * len(same))
    assert calibration.temperature(same, logits) == pytest.approx(1 / fitted.coef_[0, 0], rel=0.01)


@settings(deadline=None, max_examples=100)
@given(st.lists(pair, min_size=2, max_size=30), st.sampled_from([0.5, 2.0, 4.0]))
def test_temperature_is_bounded_and_scales_with_the_logits(pairs: list[tuple[bool, float]], factor: float) -> None:
    same, logits = columns(pairs)
    one, scaled = (calibration.temperature(same, by * logits) for by in (1, factor))
    assert 0.01 <= one <= 100
    assume(0.05 < one < 20 and 0.05 < scaled < 20 and same.any() and not same.all() and logits.any())
    assert scaled == pytest.approx(factor * one, rel=2e-3)


def test_cases_with_nothing_to_fit() -> None:
    both = np.array([True, True, False, False])
    assert calibration.temperature(both[:0], np.array([])) == 1
    assert calibration.temperature(both, np.zeros(4)) == 1
    assert calibration.temperature(both[:2], np.array([3.0, 1.0])) == 1
    assert calibration.temperature(both, np.full(4, 2.0)) == 100, "the same logit for all tells nothing"
    assert calibration.temperature(both, np.array([-1.0, -2, 1, 2])) == 100, "worse than nothing"
    assert calibration.temperature(both, np.array([1000.0, 2000, -1000, -2000])) == 100, "too large to cool enough"


def test_pairs_told_without_a_mistake_get_a_cooler_temperature_the_more_they_are() -> None:
    heats = []
    for count in (3, 30, 300):
        same = np.repeat([True, False], count)
        heats.append(calibration.temperature(same, np.where(same, 1.0, -1.0)))
    expected = [1 / np.log(count + 1) for count in (3, 30, 300)]  # where p = (n + 1) / (n + 2)
    assert heats == pytest.approx(expected, rel=1e-3)


@settings(deadline=None)
@given(st.lists(pair, min_size=2, max_size=30), st.floats(0.1, 10))
def test_probability_keeps_order_and_verdict(pairs: list[tuple[bool, float]], heat: float) -> None:
    _, logits = columns(pairs)
    chances = calibration.probabilities(logits, heat)
    assert (np.diff(chances[np.argsort(logits)]) >= 0).all()
    assert ((chances > 0.5) <= (logits > 0)).all()
    assert (chances >= 0).all()
    assert (chances <= 1).all()


def test_calibration_error_by_hand() -> None:
    same = np.array([True, True, False, False])
    assert calibration.error(same, np.array([1.0, 1, 0, 0])) == 0
    assert calibration.error(same, np.array([0.0, 0, 1, 1])) == 1
    assert calibration.error(same, np.full(4, 0.5)) == 0, "half of all are same"
    assert calibration.error(same, np.array([0.92, 0.92, 0.92, 0.08])) == pytest.approx(
        abs(0.75 * 0.92 - 0.5) + 0.25 * 0.08
    )
    more = np.array([True, False, False, False])
    assert calibration.error(more, np.full(4, 0.5)) == pytest.approx(0), "kinds weigh the same, however many there are"
