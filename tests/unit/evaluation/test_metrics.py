"""Scores to accuracies and intervals, compared with plain counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from support.classes import scores_of

from shoepair.evaluation import intervals, metric_names, metrics
from shoepair.reports import terminal_tables


def share(scores: pd.DataFrame, same: int, *, standard: bool) -> float:
    rows = [row for row in scores.itertuples() if row.same == same and (row.standard or not standard)]
    return sum((float(row.logit) > 0) == bool(row.same) for row in rows) / len(rows)  # type: ignore[arg-type]


def details_of(scores: pd.DataFrame, models: list[str]) -> dict[str, Any]:
    """Return the metrics of models by split."""
    return metrics.metrics_by_model_and_split(scores, models, metrics.estimates_by_split(scores, models, 100, 1))


def test_accuracies_equal_plain_counting() -> None:
    scores = scores_of(20, 1)
    numbers = metrics.compute_metrics(scores, 200, 1)
    positive, negative = share(scores, 1, standard=True), share(scores, 0, standard=True)
    assert numbers["positive"] == round(positive, 4)
    assert numbers["negative"] == round(negative, 4)
    assert numbers["balanced"] == round((positive + negative) / 2, 4)
    assert numbers["negative_all"] == round(share(scores, 0, standard=False), 4)
    assert numbers["balanced_all"] == round((positive + share(scores, 0, standard=False)) / 2, 4)
    assert (numbers["students"], numbers["pairs"]) == (20, 180)
    assert numbers["low"] < numbers["balanced"] < numbers["high"]


def test_positive_and_negative_are_not_mixed_up() -> None:
    scores = scores_of(5, 1).assign(logit=np.float32(1))  # everything is called same
    numbers = metrics.compute_metrics(scores, 100, 1)
    assert (numbers["positive"], numbers["negative"], numbers["balanced"]) == (1.0, 0.0, 0.5)


def test_logit_of_exactly_0_is_called_different() -> None:
    numbers = metrics.compute_metrics(scores_of(5, 1).assign(logit=np.float32(0)), 100, 1)
    assert (numbers["positive"], numbers["negative"]) == (0.0, 1.0)


def test_bootstrap_draws_students_not_pairs() -> None:
    scores = scores_of(20, 1)
    correct = scores["student"].isin([f"u{number}" for number in range(10)])  # half all correct, half all wrong
    scores["logit"] = np.where((scores["same"] == 1) == correct, 1.0, -1.0).astype(np.float32)
    numbers = metrics.compute_metrics(scores, 4000, 1)
    # The mean of 20 students that are 0 or 1: half-width 2.09 * 0.51 / sqrt(20) = 0.24; over pairs it would be 0.09.
    assert numbers["high"] - numbers["low"] == pytest.approx(2 * 2.09 * 0.51 / np.sqrt(20), abs=0.06)


def test_splits_are_kept_apart_and_empty_ones_left_out() -> None:
    scores = pd.concat(
        [
            scores_of(6, 1, split="valid"),
            scores_of(6, 2, split="test_m").assign(logit=np.float32(1)),
            scores_of(6, 3, split="valid", model="cnn_channel").assign(logit=np.float32(-1)),
            scores_of(6, 4, split="test_m", model="cnn_channel"),
        ]
    )
    details = details_of(scores, ["cnn", "cnn_channel"])
    assert {model: list(by_split) for model, by_split in details.items()} == {
        "cnn": ["valid", "test_m", "test"],
        "cnn_channel": ["valid", "test_m", "test"],
    }
    assert details["cnn"]["test_m"]["positive"] == 1.0
    assert details["cnn_channel"]["valid"]["positive"] == 0.0


def test_best_model_is_selected_by_validation_and_comes_first() -> None:
    def by_split(valid: float, test: float) -> dict[str, dict[str, float]]:
        blank = metrics.intervals_to_dict(metric_names.METRIC_NAMES, np.tile([0.5, 0.4, 0.6], (9, 1)))
        return {"valid": {**blank, "balanced": valid}, "test_m": {**blank, "balanced": test}}

    details = {"cnn": by_split(0.6, 0.99), "cnn_channel": by_split(0.8, 0.7)}
    headline = metrics.headline_metrics(details)
    assert headline["best"] == {"model": "cnn_channel", "valid": 0.8, "test_m": 0.7}
    assert headline["cnn"] == {"valid": 0.6, "test_m": 0.99}
    lines = terminal_tables.accuracy_table(details, "cnn_channel").plain_text().splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["cnn_channel", "test_m"],
        ["cnn_channel", "valid"],
        ["cnn", "test_m"],
        ["cnn", "valid"],
    ]


def test_intervals_of_all_metrics_contain_them() -> None:
    numbers = metrics.compute_metrics(scores_of(20, 1), 200, 1)
    for name in metric_names.METRIC_NAMES:
        _, low, high = metric_names.interval_names(name)
        assert 0 <= numbers[low] <= numbers[name] <= numbers[high] <= 1
        assert numbers[low] < numbers[high]


def test_auc_of_a_split_is_that_of_scikit_learn() -> None:
    scores = scores_of(15, 4)
    auc = metrics.estimate_metrics({"cnn": scores}, 100, 1).values[metric_names.METRIC_NAMES.index("auc")]
    assert auc == pytest.approx(roc_auc_score(scores["same"], scores["logit"]), abs=1e-9)


def test_metrics_do_not_depend_on_the_order_of_rows() -> None:
    scores = scores_of(12, 3)
    shuffled = scores.sample(frac=1, random_state=1)
    assert metrics.compute_metrics(shuffled, 100, 1) == metrics.compute_metrics(scores, 100, 1)


def test_chunks_of_bounded_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scores_of(12, 3)
    expected = metrics.compute_metrics(scores, 100, 1)
    monkeypatch.setattr(intervals, "MAX_WEIGHTS_PER_CALL", 250)
    assert metrics.compute_metrics(scores, 100, 1) == expected


def test_both_test_splits_are_evaluated_together_too() -> None:
    parts = [scores_of(6, 1, split="valid"), scores_of(4, 2), scores_of(3, 3, split="test_w", first=4)]
    numbers = details_of(pd.concat(parts), ["cnn"])["cnn"]
    assert list(numbers) == ["valid", "test_m", "test_w", "test"]
    assert (numbers["test"]["students"], numbers["test"]["pairs"]) == (7, 63)
    mean = (4 * numbers["test_m"]["balanced"] + 3 * numbers["test_w"]["balanced"]) / 7
    assert numbers["test"]["balanced"] == pytest.approx(mean, abs=1e-4)


def test_temperature_is_fitted_on_valid_alone() -> None:
    valid, test = scores_of(20, 1, split="valid"), scores_of(20, 2, first=20)
    both = pd.concat([valid, test])
    of_both, of_valid, of_test = (metrics.fit_temperature_on_valid(rows) for rows in (both, valid, test))
    assert of_both == of_valid != of_test
    overconfident = both.assign(logit=10 * both["logit"])
    numbers = details_of(overconfident, ["cnn"])["cnn"]
    for name in ("valid", "test"):
        assert numbers[name]["ece_calibrated"] < numbers[name]["ece"]
