"""Scores to accuracies and intervals, held against plain counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shoepair import evaluation, pairs, report


def scores_of(students: int, seed: int, *, split: str = "test_m", model: str = "cnn") -> pd.DataFrame:
    """A model that is right more often than not, differently per student."""
    names = [f"u{number}" for number in range(students)]
    frame = pd.DataFrame({"batch": "a", "student": names, "row": range(students), "split": split})
    rows = pairs.build(frame)
    rng = np.random.default_rng(seed)
    sign = np.where(rows["same"] == 1, 1, -1)
    return rows.assign(model=model, logit=(sign + rng.normal(0, 1.2, len(rows))).astype(np.float32))


def share(scores: pd.DataFrame, same: int, *, standard: bool) -> float:
    rows = [row for row in scores.itertuples() if row.same == same and (row.standard or not standard)]
    return sum((float(row.logit) > 0) == bool(row.same) for row in rows) / len(rows)  # type: ignore[arg-type]


def test_accuracies_equal_plain_counting() -> None:
    scores = scores_of(20, 1)
    got = evaluation.metrics(scores, 200, 1)
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
    got = evaluation.metrics(scores, 100, 1)
    assert (got["positive"], got["negative"], got["balanced"]) == (1.0, 0.0, 0.5)


def test_score_of_exactly_nought_is_different() -> None:
    got = evaluation.metrics(scores_of(5, 1).assign(logit=np.float32(0)), 100, 1)
    assert (got["positive"], got["negative"]) == (0.0, 1.0)


def test_bootstrap_draws_students_not_pairs() -> None:
    scores = scores_of(20, 1)
    right = scores["student"].isin([f"u{number}" for number in range(10)])  # half of them all right, half all wrong
    scores["logit"] = np.where((scores["same"] == 1) == right, 1.0, -1.0).astype(np.float32)
    got = evaluation.metrics(scores, 4000, 1)
    # The mean of 20 students that are 0 or 1: half-width 1.96 * 0.5 / sqrt(20) = 0.22; over pairs it would be 0.09.
    assert got["high"] - got["low"] == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(20), abs=0.06)


def test_sets_are_kept_apart_and_empty_ones_left_out() -> None:
    scores = pd.concat(
        [
            scores_of(6, 1, split="valid"),
            scores_of(6, 2, split="test_m").assign(logit=np.float32(1)),
            scores_of(6, 3, split="valid", model="cnn_channel").assign(logit=np.float32(-1)),
        ]
    )
    details = evaluation.evaluate(scores, ["cnn", "cnn_channel"], 100, 1)
    assert {model: list(sets) for model, sets in details.items()} == {
        "cnn": ["valid", "test_m"],
        "cnn_channel": ["valid"],
    }
    assert details["cnn"]["test_m"]["positive"] == 1.0
    assert details["cnn_channel"]["valid"]["positive"] == 0.0


def test_best_model_is_chosen_by_validation_and_comes_first() -> None:
    def sets(valid: float, test: float) -> dict[str, dict[str, float]]:
        blank = {"positive": 0.5, "negative": 0.5, "low": 0.4, "high": 0.6, "negative_all": 0.5, "balanced_all": 0.5}
        return {"valid": {**blank, "balanced": valid}, "test_m": {**blank, "balanced": test}}

    details = {"cnn": sets(0.6, 0.99), "cnn_channel": sets(0.8, 0.7)}
    headline = evaluation.headline(details)
    assert headline["best"] == {"model": "cnn_channel", "valid": 0.8, "test_m": 0.7}
    assert headline["cnn"] == {"valid": 0.6, "test_m": 0.99}
    lines = report.accuracy_table(details, "cnn_channel").splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["cnn_channel", "test_m"],
        ["cnn_channel", "valid"],
        ["cnn", "test_m"],
        ["cnn", "valid"],
    ]
