"""Scores to accuracies and intervals, held against plain counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from support.classes import scores_of

from shoepair.evaluation import bootstrap, metric_names, metrics
from shoepair.reports import terminal


def share(scores: pd.DataFrame, same: int, *, standard: bool) -> float:
    rows = [row for row in scores.itertuples() if row.same == same and (row.standard or not standard)]
    return sum((float(row.logit) > 0) == bool(row.same) for row in rows) / len(rows)  # type: ignore[arg-type]


def test_accuracies_equal_plain_counting() -> None:
    scores = scores_of(20, 1)
    got = metrics.metrics(scores, 200, 1)
    positive, negative = share(scores, 1, standard=True), share(scores, 0, standard=True)
    assert got["positive"] == round(positive, 4)
    assert got["negative"] == round(negative, 4)
    assert got["balanced"] == round((positive + negative) / 2, 4)
    assert got["negative_all"] == round(share(scores, 0, standard=False), 4)
    assert got["balanced_all"] == round((positive + share(scores, 0, standard=False)) / 2, 4)
    assert (got["students"], got["pairs"]) == (20, 180)
    assert got["low"] < got["balanced"] < got["high"]


def test_positive_and_negative_are_not_mixed_up() -> None:
    scores = scores_of(5, 1).assign(logit=np.float32(1))  # everything is called same
    got = metrics.metrics(scores, 100, 1)
    assert (got["positive"], got["negative"], got["balanced"]) == (1.0, 0.0, 0.5)


def test_score_of_exactly_nought_is_different() -> None:
    got = metrics.metrics(scores_of(5, 1).assign(logit=np.float32(0)), 100, 1)
    assert (got["positive"], got["negative"]) == (0.0, 1.0)


def test_bootstrap_draws_students_not_pairs() -> None:
    scores = scores_of(20, 1)
    right = scores["student"].isin([f"u{number}" for number in range(10)])  # half of them all right, half all wrong
    scores["logit"] = np.where((scores["same"] == 1) == right, 1.0, -1.0).astype(np.float32)
    got = metrics.metrics(scores, 4000, 1)
    # The mean of 20 students that are 0 or 1: half-width 2.09 * 0.51 / sqrt(20) = 0.24; over pairs it would be 0.09.
    assert got["high"] - got["low"] == pytest.approx(2 * 2.09 * 0.51 / np.sqrt(20), abs=0.06)


def test_sets_are_kept_apart_and_empty_ones_left_out() -> None:
    scores = pd.concat(
        [
            scores_of(6, 1, split="valid"),
            scores_of(6, 2, split="test_m").assign(logit=np.float32(1)),
            scores_of(6, 3, split="valid", model="cnn_channel").assign(logit=np.float32(-1)),
        ]
    )
    details = metrics.evaluate(scores, ["cnn", "cnn_channel"], 100, 1)
    assert {model: list(sets) for model, sets in details.items()} == {
        "cnn": ["valid", "test_m", "test"],
        "cnn_channel": ["valid"],
    }
    assert details["cnn"]["test_m"]["positive"] == 1.0
    assert details["cnn_channel"]["valid"]["positive"] == 0.0


def test_best_model_is_chosen_by_validation_and_comes_first() -> None:
    def sets(valid: float, test: float) -> dict[str, dict[str, float]]:
        blank = metrics.named(list(metrics.FIGURES), np.tile([0.5, 0.4, 0.6], (9, 1)))
        return {"valid": {**blank, "balanced": valid}, "test_m": {**blank, "balanced": test}}

    details = {"cnn": sets(0.6, 0.99), "cnn_channel": sets(0.8, 0.7)}
    headline = metrics.headline(details)
    assert headline["best"] == {"model": "cnn_channel", "valid": 0.8, "test_m": 0.7}
    assert headline["cnn"] == {"valid": 0.6, "test_m": 0.99}
    lines = terminal.accuracy_table(details, "cnn_channel").splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["cnn_channel", "test_m"],
        ["cnn_channel", "valid"],
        ["cnn", "test_m"],
        ["cnn", "valid"],
    ]


def test_intervals_of_all_figures_are_around_them() -> None:
    got = metrics.metrics(scores_of(20, 1), 200, 1)
    for name in metrics.FIGURES:
        low, high = metric_names.ENDS.get(name, (f"{name}_low", f"{name}_high"))
        assert 0 <= got[low] <= got[name] <= got[high] <= 1
        assert got[low] < got[high]


def test_curve_of_a_set_is_that_of_scikit_learn() -> None:
    scores = scores_of(15, 4)
    found = metrics.intervals(scores, 100, 1)[list(metrics.FIGURES).index("auc"), 0]
    assert found == pytest.approx(roc_auc_score(scores["same"], scores["logit"]), abs=1e-9)


def test_figures_do_not_hang_on_the_order_of_rows() -> None:
    scores = scores_of(12, 3)
    assert metrics.metrics(scores.sample(frac=1, random_state=1), 100, 1) == metrics.metrics(scores, 100, 1)


def test_parts_of_bounded_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scores_of(12, 3)
    whole = metrics.metrics(scores, 100, 1)
    monkeypatch.setattr(bootstrap, "BUDGET", 250)
    assert metrics.metrics(scores, 100, 1) == whole


def test_both_test_sets_are_measured_together_too() -> None:
    sets = [scores_of(6, 1, split="valid"), scores_of(4, 2), scores_of(3, 3, split="test_w", first=4)]
    got = metrics.evaluate(pd.concat(sets), ["cnn"], 100, 1)["cnn"]
    assert list(got) == ["valid", "test_m", "test_w", "test"]
    assert (got["test"]["students"], got["test"]["pairs"]) == (7, 63)
    mean = (4 * got["test_m"]["balanced"] + 3 * got["test_w"]["balanced"]) / 7
    assert got["test"]["balanced"] == pytest.approx(mean, abs=1e-4)


def test_temperature_is_fitted_on_valid_alone() -> None:
    valid, test = scores_of(20, 1, split="valid"), scores_of(20, 2, first=20)
    both = pd.concat([valid, test])
    assert metrics.temperature(both) == metrics.temperature(valid) != metrics.temperature(test)
    hot = pd.concat([valid.assign(logit=10 * valid["logit"]), test.assign(logit=10 * test["logit"])])
    got = metrics.evaluate(hot, ["cnn"], 100, 1)["cnn"]
    for name in ("valid", "test"):
        assert got[name]["ece_calibrated"] < got[name]["ece"]
