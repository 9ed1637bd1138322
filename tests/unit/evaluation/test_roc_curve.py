"""The ROC curve and what stands on it, held against scikit-learn: with ties, with weights, to 1e-9."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn import metrics
from sklearn.metrics import roc_auc_score

from shoepair.evaluation import roc_curve

CLOSE = 1e-9
pair = st.tuples(st.booleans(), st.one_of(st.integers(-3, 3), st.floats(-5, 5, width=32)), st.integers(0, 4))


def drawn(pairs: list[tuple[bool, float, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    same, scores, weights = (np.array(column) for column in zip(*pairs, strict=True))
    assume((weights * same).any() and (weights * ~same).any())
    return same, scores.astype(np.float32), weights.astype(float)


def reference(same: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counted = weights > 0
    fpr, tpr, _ = metrics.roc_curve(
        same[counted], scores[counted], sample_weight=weights[counted], drop_intermediate=False
    )
    return fpr, tpr


@settings(deadline=None, max_examples=300)
@given(st.lists(pair, min_size=2, max_size=40))
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[bool, float, int]]) -> None:
    same, scores, weights = drawn(pairs)
    curve = roc_curve.roc(same, scores, weights[None])
    fpr, tpr = reference(same, scores, weights)
    assert roc_curve.area(curve)[0] == pytest.approx(roc_auc_score(same, scores, sample_weight=weights), abs=CLOSE)
    crossing = brentq(lambda at: 1 - at - interp1d(fpr, tpr)(at), 0, 1, xtol=1e-12) if tpr[fpr == 0].max() < 1 else 0
    assert roc_curve.equal_error(curve)[0] == pytest.approx(crossing, abs=CLOSE)
    for limit in (0.0, 0.01, 0.05, 0.5, 1.0):
        assert roc_curve.tpr_at(curve, limit)[0] == pytest.approx(tpr[fpr <= limit].max(), abs=CLOSE)


@settings(deadline=None, max_examples=100)
@given(st.lists(pair, min_size=2, max_size=40))
def test_curve_of_the_table_is_that_of_scikit_learn(pairs: list[tuple[bool, float, int]]) -> None:
    same, scores, _ = drawn(pairs)
    assume(same.any() and not same.all())
    table = roc_curve.table(roc_curve.roc(same, scores), 12)
    fpr, tpr, _ = metrics.roc_curve(same, scores)
    assert np.trapezoid(table["tpr"], table["fpr"]) == pytest.approx(np.trapezoid(tpr, fpr), abs=CLOSE)
    assert set(zip(table["fpr"], table["tpr"], strict=True)) <= set(
        zip(*(each.round(12) for each in metrics.roc_curve(same, scores, drop_intermediate=False)[:2]), strict=True)
    ) | {(0.0, 0.0)}
    assert (table.iloc[0].tolist(), table.iloc[-1].tolist()) == ([0, 0], [1, 1])


@settings(deadline=None, max_examples=100)
@given(st.lists(pair, min_size=2, max_size=20))
def test_weight_counts_a_pair_as_often_as_copies_do(pairs: list[tuple[bool, float, int]]) -> None:
    same, scores, weights = drawn(pairs)
    times = weights.astype(int)
    weighted, copied = (
        roc_curve.roc(same, scores, weights[None]),
        roc_curve.roc(np.repeat(same, times), np.repeat(scores, times)),
    )
    for figure in (roc_curve.area, roc_curve.equal_error, lambda curve: roc_curve.tpr_at(curve, 0.2)):
        assert figure(weighted) == pytest.approx(figure(copied), abs=CLOSE)


def test_known_answers() -> None:
    same = np.array([True, True, False, False])
    apart, tied, reversed_ = (
        roc_curve.roc(same, np.array(scores)) for scores in ([2, 1, 0, -1], [1, 1, 1, 1], [-1, 0, 1, 2])
    )
    for curve, area, equal, at_nought in ((apart, 1, 0, 1), (tied, 0.5, 0.5, 0), (reversed_, 0, 1, 0)):
        assert roc_curve.area(curve)[0] == area
        assert roc_curve.equal_error(curve)[0] == equal
        assert roc_curve.tpr_at(curve, 0.01)[0] == at_nought


def test_one_kind_of_pairs_has_no_curve() -> None:
    with pytest.raises(ValueError, match="same and different"):
        roc_curve.roc(np.array([True, True]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="same and different"):
        roc_curve.roc(np.array([True, False]), np.array([1.0, 2.0]), np.array([[1.0, 0.0]]))
