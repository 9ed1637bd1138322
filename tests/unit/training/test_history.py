"""Training history as a line, as tables, and as stored in a checkpoint."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from shoepair.training import history
from shoepair.training.history import EpochMetrics, History

FIRST = EpochMetrics(1, 0.69314718, 0.5, 0.25, 1.0, 0.0)
SECOND = EpochMetrics(12, 0.1, 1.0, 0.75, 2 / 3, 1 / 3)


def test_line_of_an_epoch_has_loss_and_validation_and_fits_behind_a_bar() -> None:
    assert str(FIRST) == "loss 0.69 valid 50.0%"
    assert len(str(SECOND)) <= 21, "what is left of 80 columns behind the longest name of a stage"


def test_history_is_restored_from_its_dict() -> None:
    course = History([FIRST, SECOND], [0.7, 0.6, 0.1])
    plain = asdict(course)
    again = History.from_dict(plain)
    assert again == course
    again.losses.append(0.0)
    assert plain["losses"] == [0.7, 0.6, 0.1], "the checkpoint's own list has grown"
    assert History.from_dict(asdict(History())) == History()


def test_tables_have_a_row_for_each_epoch_and_each_iteration() -> None:
    course = History([FIRST, SECOND], [0.7, 0.6, 0.1])
    rows = course.epoch_curve()
    assert list(rows.columns) == [*asdict(FIRST), "train_balanced", "valid_balanced"]
    assert rows.to_dict("records") == [
        asdict(FIRST) | {"train_balanced": 0.375, "valid_balanced": 0.5},
        asdict(SECOND) | {"train_balanced": 0.875, "valid_balanced": 0.5},
    ]
    assert course.loss_curve().to_dict("list") == {"iteration": [1, 2, 3], "loss": [0.7, 0.6, 0.1]}
    assert History([FIRST]).loss_curve().empty


def test_curves_are_rounded_and_gaps_are_left_empty(tmp_path: Path) -> None:
    unknown = EpochMetrics(2, 0.123456789, math.nan, math.nan, 1 / 3, 0.5)
    epochs, iterations = tmp_path / "epochs" / "cnn.csv", tmp_path / "loss" / "cnn.csv"
    history.write_curves(History([FIRST, unknown], [1 / 3, 2e-7]), epochs, iterations)
    assert iterations.read_bytes() == b"iteration,loss\n1,0.333333\n2,0.0\n"
    assert epochs.read_text().splitlines() == [
        "epoch,train_loss,train_positive,train_negative,valid_positive,valid_negative,train_balanced,valid_balanced",
        "1,0.693147,0.5,0.25,1.0,0.0,0.375,0.5",
        "2,0.123457,,,0.333333,0.5,,0.416667",
    ]
    assert len(pd.read_csv(epochs)) == 2


def test_best_epoch_weighs_both_labels_alike_and_needs_an_epoch() -> None:
    one, other = EpochMetrics(1, 0.1, 1.0, 1.0, 1.0, 0.2), EpochMetrics(2, 0.9, 0.0, 0.0, 0.65, 0.6)
    assert History([one, other]).best_epoch is other
    with pytest.raises(ValueError, match="empty"):
        _ = History().best_epoch
