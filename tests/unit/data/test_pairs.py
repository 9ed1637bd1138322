"""The table of pairs; the nine combinations of a student are in tests/stages/test_split_and_pairs.py."""

from __future__ import annotations

import numpy as np
from support.classes import SPLIT

from shoepair.data import pairs


def test_pairs_refer_to_the_store_rows_of_their_student() -> None:
    rows = pairs.build_pair_rows(SPLIT)
    students = rows.drop_duplicates("student")[list(SPLIT.columns)].sort_values("student", ignore_index=True)
    assert students.equals(SPLIT)
    assert (rows.groupby("student").size() == 9).all()


def test_every_shoe_is_as_often_in_same_as_in_different_standard_pairs() -> None:
    rows = pairs.build_pair_rows(SPLIT)
    for side in ("left", "right"):
        counted = rows[rows["standard"]].groupby(["student", side])["same"].agg(["size", "sum"])
        assert (counted["size"] == 2).all(), f"the {side} shoe alone would predict the label"
        assert (counted["sum"] == 1).all()


def test_arrays_of_the_caller_are_not_changed() -> None:
    data = np.random.default_rng(1).random((2, 3, 2, 2, 2, 3), np.float32)
    before = data.copy()
    for generate in (pairs.generate_same_pair, pairs.generate_different_pair):
        generate(data)[:] = 0
    assert (data == before).all()
