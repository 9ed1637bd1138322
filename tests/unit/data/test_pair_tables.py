"""Splits of students, and the pair images generated from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.classes import photo_rows

from shoepair.data import pairs
from shoepair.ingestion import splits
from shoepair.runtime.errors import ShoepairError

STUDENTS = [f"u{number:03}" for number in range(40)]


def test_share_is_met_on_average() -> None:
    shares = np.array([splits.hash_to_unit_interval("shoes", "a", f"u{number}") for number in range(10_000)])
    assert abs((shares < 0.2).mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 10_000)
    assert abs(shares.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 10_000)


def test_rows_are_those_of_the_store() -> None:
    accepted = {"b": photo_rows(STUDENTS[:20]), "a": photo_rows(STUDENTS[20:])}
    rows = splits.assign_splits_by_hash(accepted, "shoes", 0.3)
    assert list(rows["batch"]) == ["b"] * 20 + ["a"] * 20
    assert list(rows["row"]) == [*range(20), *range(20)]
    assert list(rows["student"]) == STUDENTS


def test_student_or_photo_in_two_batches_is_refused() -> None:
    copied = photo_rows(["u070"])
    copied.loc[0, "sha256"] = "u001" + "1left"
    accepted = {"a": photo_rows(STUDENTS), "b": pd.concat([photo_rows(["u003"]), copied])}
    with pytest.raises(ShoepairError) as caught:
        splits.assign_splits_by_hash(accepted, "shoes", 0.3)
    assert "u003: in the batches a and b, expected one" in str(caught.value)
    assert "a/u0011left: same content as b/u0701left" in str(caught.value)


def test_class_without_batches_is_refused() -> None:
    with pytest.raises(ShoepairError, match=r"data/batches\.yaml: no batches"):
        splits.assign_splits_by_hash({}, "shoes", 0.2)


def test_one_student_cannot_be_split() -> None:
    with pytest.raises(ShoepairError, match="must hold 2 students or more"):
        splits.assign_splits_by_hash({"a": photo_rows(["u001"])}, "shoes", 0.5)


@given(st.integers(0, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_generated_pairs_equal_the_plain_loops(students: int, height: int, width: int, seed: int) -> None:
    data = np.random.default_rng(seed).random((students, 3, 2, height, width, 3), np.float32)
    same = [np.concatenate([data[s, p, 0], data[s, p, 1]]) for s in range(students) for p in range(3)]
    different = [np.concatenate([data[s, p, 0], data[s, (p + 1) % 3, 1]]) for s in range(students) for p in range(3)]
    shape = (3 * students, 2 * height, width, 3)
    for images, expected in ((pairs.generate_same_pair(data), same), (pairs.generate_different_pair(data), different)):
        assert images.shape == shape
        assert images.dtype == np.float32
        assert (images == np.array(expected, np.float32).reshape(shape)).all()


def test_left_shoe_is_above_the_right_one_whatever_the_label() -> None:
    sides = np.zeros((2, 3, 2, 4, 4, 3), np.uint8)
    sides[:, :, 1] = 1  # every right shoe is 1, every left shoe 0
    for generate in (pairs.generate_same_pair, pairs.generate_different_pair):
        stacked = generate(sides)
        assert not stacked[:, :4].any(), "the upper shoe is not the left one"
        assert stacked[:, 4:].all(), "the lower shoe is not the right one"
