"""Splits of a class; the splits of single students are in tests/stages/test_split_and_pairs.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.classes import advised, photo_rows

from shoepair.ingestion import splits
from shoepair.runtime.errors import ShoepairError


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_larger_share_moves_no_student_out_of_valid(number: int, one: float, other: float) -> None:
    less, more = sorted((one, other))
    share = splits.hash_to_unit_interval("shoes", "a", f"u{number}")
    assert 0 <= share < 1
    assert (share < less) <= (share < more)


def test_photo_in_three_batches_is_reported_once_with_all_paths() -> None:
    accepted = {name: photo_rows([f"u{number}1", f"u{number}2"]) for number, name in enumerate("abc")}
    for rows in accepted.values():
        rows.loc[0, "sha256"] = "same"
    with pytest.raises(ShoepairError) as caught:
        splits.assign_splits_by_hash(accepted, "shoes", 0.5)
    assert caught.value.message == "data/raw: 1 problem between batches"
    assert caught.value.problems == ("a/u011left: same content as b/u111left, c/u211left",)


def test_same_content_within_one_batch_is_left_to_validate() -> None:
    rows = photo_rows([f"u{number:03}" for number in range(40)])
    rows.loc[:1, "sha256"] = "same"
    assert len(splits.assign_splits_by_hash({"a": rows}, "shoes", 0.3)) == 40


def test_fix_is_suggested_for_a_long_salt() -> None:
    accepted = {"a": photo_rows(["u001", "u002"])}
    advice = [advised(accepted, f"{number:064}", 0.3) for number in range(20)]
    assert any("split.valid" in line for line in advice)
