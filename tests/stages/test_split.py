"""Stage split: splits of a class; the splits of single students are in test_split_and_pairs.py."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.classes import advised, photo_rows

from shoepair.data import naming, parquet_files, schemas
from shoepair.ingestion import splits
from shoepair.runtime import json_files, paths
from stages import ingest, split, validate


def test_share_of_valid_is_met_in_a_large_class() -> None:
    students = [f"u{number:05}" for number in range(10_000)]
    rows = pd.DataFrame({"student": students, "path": students, "subset": "train", "sha256": students})
    shares = splits.assign_splits_by_hash({"a": rows}, "shoes", 0.2)["split"].value_counts(normalize=True)
    assert set(shares.index) == {"train", "valid"}
    assert abs(shares["valid"] - 0.2) < 0.016  # four standard deviations


def test_salt_changes_the_splits() -> None:
    accepted = {"a": photo_rows([f"u{number:03}" for number in range(40)])}
    first, second = (splits.assign_splits_by_hash(accepted, salt, 0.5)["split"] for salt in ("shoes", "boots"))
    assert 8 < (first != second).sum() < 32


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), st.sampled_from((0.001, 0.1, 0.9, 0.999)), st.integers(0, 50))
def test_fix_for_an_empty_split_works_for_any_class(students: int, valid: float, salt: int) -> None:
    accepted = {"a": photo_rows([f"u{number}" for number in range(students)])}
    advice = advised(accepted, f"s{salt}", valid)
    share = re.search(r"`split\.valid: ([0-9.]+)`", advice)
    other = re.search(r"`split\.salt: ([\w-]+)`", advice)
    assert share or other or not advice, advice
    if share:
        assert set(splits.assign_splits_by_hash(accepted, f"s{salt}", float(share[1]))["split"]) == {"train", "valid"}
    if other:
        assert set(splits.assign_splits_by_hash(accepted, other[1], valid)["split"]) == {"train", "valid"}


def test_students_are_counted_once_whatever_photos_they_have() -> None:
    rows = pd.concat([photo_rows(["u1"]), photo_rows(["u2"]).query("pair == 1")])
    counts = splits.counts_by_split(pd.DataFrame({"student": ["u1", "u2"], "split": ["train", "train"]}), {"a": rows})
    assert (counts["train"]["students"], counts["train"]["pairs"]) == (2, 4)


@pytest.mark.usefixtures("project")
def test_stage_counts_all_students_and_writes_the_same_bytes_again() -> None:
    ingest.main("tiny")
    validate.main("tiny")
    split.main()
    written = paths.SPLIT.read_bytes(), paths.SPLIT_METRICS.read_bytes()
    split.main()
    assert (paths.SPLIT.read_bytes(), paths.SPLIT_METRICS.read_bytes()) == written
    counts = json_files.read_json(paths.SPLIT_METRICS, "")
    sizes = parquet_files.read_table(paths.SPLIT, schemas.StudentSplits)["split"].value_counts()
    assert list(counts) == list(naming.SPLITS)
    assert {name: numbers["students"] for name, numbers in counts.items()} == sizes.to_dict()
    assert sum(numbers["pairs"] for numbers in counts.values()) == 24
    assert (counts["test_m"]["pairs_m"], counts["test_m"]["pairs_w"]) == (3, 0)
    assert (counts["test_w"]["pairs_m"], counts["test_w"]["pairs_w"]) == (0, 3)
