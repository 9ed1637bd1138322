"""ROC curves and their metrics, compared with scikit-learn: with ties, with weights, to 1e-9."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn import metrics
from sklearn.metrics import roc_auc_score

from shoepair.evaluation import roc_curve

CLOSE = 1e-9
score = st.one_of(st.integers(-3, 3), st.floats(-5, 5, width=32))
pair_lists = st.builds(  # with a same and a different pair of positive weight
    lambda pairs, same, different: [*pairs, (True, same, 1), (False, different, 1)],
    st.lists(st.tuples(st.booleans(), score, st.integers(0, 4)), max_size=38),
    score,
    score,
)


def columns(pairs: list[tuple[bool, float, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    same, scores, weights = (np.array(column) for column in zip(*pairs, strict=True))
    return same, scores.astype(np.float32), weights.astype(float)


def reference(same: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counted = weights > 0
    fpr, tpr, _ = metrics.roc_curve(
        same[counted], scores[counted], sample_weight=weights[counted], drop_intermediate=False
    )
    return fpr, tpr


@settings(deadline=None, max_examples=300)
@given(pair_lists)
def test_metrics_are_those_of_scikit_learn(pairs: list[tuple[bool, float, int]]) -> None:
    same, scores, weights = columns(pairs)
    curve = roc_curve.compute_roc_curves(same, scores, weights[None])
    fpr, tpr = reference(same, scores, weights)
    assert roc_curve.roc_auc(curve)[0] == pytest.approx(roc_auc_score(same, scores, sample_weight=weights), abs=CLOSE)
    crossing = brentq(lambda x: 1 - x - interp1d(fpr, tpr)(x), 0, 1, xtol=1e-12) if tpr[fpr == 0].max() < 1 else 0
    assert roc_curve.equal_error_rate(curve)[0] == pytest.approx(crossing, abs=CLOSE)
    for limit in (0.0, 0.01, 0.05, 0.5, 1.0):
        assert roc_curve.tpr_at_fpr(curve, limit)[0] == pytest.approx(tpr[fpr <= limit].max(), abs=CLOSE)


@settings(deadline=None, max_examples=100)
@given(pair_lists)
def test_table_has_the_curve_of_scikit_learn(pairs: list[tuple[bool, float, int]]) -> None:
    same, scores, _ = columns(pairs)
    table = roc_curve.first_curve_table(roc_curve.compute_roc_curves(same, scores), 12)
    fpr, tpr, _ = metrics.roc_curve(same, scores)
    assert np.trapezoid(table["tpr"], table["fpr"]) == pytest.approx(np.trapezoid(tpr, fpr), abs=CLOSE)
    points = (rates.round(12) for rates in metrics.roc_curve(same, scores, drop_intermediate=False)[:2])
    assert set(zip(table["fpr"], table["tpr"], strict=True)) <= set(zip(*points, strict=True)) | {(0.0, 0.0)}
    assert (table.iloc[0].tolist(), table.iloc[-1].tolist()) == ([0, 0], [1, 1])


@settings(deadline=None, max_examples=100)
@given(pair_lists)
def test_weight_counts_a_pair_as_often_as_copies_do(pairs: list[tuple[bool, float, int]]) -> None:
    same, scores, weights = columns(pairs)
    times = weights.astype(int)
    weighted = roc_curve.compute_roc_curves(same, scores, weights[None])
    copied = roc_curve.compute_roc_curves(np.repeat(same, times), np.repeat(scores, times))
    for metric in (roc_curve.roc_auc, roc_curve.equal_error_rate, lambda curves: roc_curve.tpr_at_fpr(curves, 0.2)):
        assert metric(weighted) == pytest.approx(metric(copied), abs=CLOSE)


def test_known_answers() -> None:
    same = np.array([True, True, False, False])
    separated, tied, reversed_ = (
        roc_curve.compute_roc_curves(same, np.array(scores)) for scores in ([2, 1, 0, -1], [1, 1, 1, 1], [-1, 0, 1, 2])
    )
    for curves, auc, eer, tpr in ((separated, 1, 0, 1), (tied, 0.5, 0.5, 0), (reversed_, 0, 1, 0)):
        assert roc_curve.roc_auc(curves)[0] == auc
        assert roc_curve.equal_error_rate(curves)[0] == eer
        assert roc_curve.tpr_at_fpr(curves, 0.01)[0] == tpr


def test_pairs_with_one_label_have_no_curve() -> None:
    with pytest.raises(ValueError, match="same and different"):
        roc_curve.compute_roc_curves(np.array([True, True]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="same and different"):
        roc_curve.compute_roc_curves(np.array([True, False]), np.array([1.0, 2.0]), np.array([[1.0, 0.0]]))
