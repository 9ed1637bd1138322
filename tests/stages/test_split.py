"""Splits of whole classes and through the stage; the laws of single students are in test_splits_and_pairs.py."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.classes import advised, photo_rows

from shoepair.data import documents, naming, schemas, tables
from shoepair.ingestion import splits
from shoepair.runtime import paths
from stages import ingest, split, validate


def test_share_over_a_large_class_is_the_one_asked_for() -> None:
    students = [f"u{number:05}" for number in range(10_000)]
    rows = pd.DataFrame({"student": students, "path": students, "set": "train", "sha256": students})
    shares = splits.assign({"a": rows}, "shoes", 0.2)["split"].value_counts(normalize=True)
    assert set(shares.index) == {"train", "valid"}
    assert abs(shares["valid"] - 0.2) < 0.016  # four standard deviations


def test_salt_re_deals() -> None:
    accepted = {"a": photo_rows([f"u{number:03}" for number in range(40)])}
    first, second = (splits.assign(accepted, salt, 0.5)["split"] for salt in ("shoes", "boots"))
    assert 8 < (first != second).sum() < 32


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), st.sampled_from((0.001, 0.1, 0.9, 0.999)), st.integers(0, 50))
def test_advice_for_an_empty_split_works_whatever_the_class(students: int, valid: float, salt: int) -> None:
    accepted = {"a": photo_rows([f"u{number}" for number in range(students)])}
    advice = advised(accepted, f"s{salt}", valid)
    share = re.search(r"`split\.valid: ([0-9.]+)`", advice)
    other = re.search(r"`split\.salt: ([\w-]+)`", advice)
    assert share or other or not advice, advice
    if share:
        assert set(splits.assign(accepted, f"s{salt}", float(share[1]))["split"]) == {"train", "valid"}
    if other:
        assert set(splits.assign(accepted, other[1], valid)["split"]) == {"train", "valid"}


def test_students_are_counted_once_whatever_photos_they_have() -> None:
    rows = pd.concat([photo_rows(["u1"]), photo_rows(["u2"]).query("pair == 1")])
    counted = splits.counts(pd.DataFrame({"student": ["u1", "u2"], "split": ["train", "train"]}), {"a": rows})
    assert (counted["train"]["students"], counted["train"]["pairs"]) == (2, 4)


@pytest.mark.usefixtures("project")
def test_stage_counts_everybody_and_writes_the_same_bytes_again() -> None:
    ingest.main("tiny")
    validate.main("tiny")
    split.main()
    written = paths.SPLIT.read_bytes(), paths.SPLIT_METRICS.read_bytes()
    split.main()
    assert (paths.SPLIT.read_bytes(), paths.SPLIT_METRICS.read_bytes()) == written
    counted = documents.read_json(paths.SPLIT_METRICS, "")
    sizes = tables.read(paths.SPLIT, schemas.Split)["split"].value_counts()
    assert list(counted) == list(naming.SPLITS)
    assert {name: numbers["students"] for name, numbers in counted.items()} == sizes.to_dict()
    assert sum(numbers["pairs"] for numbers in counted.values()) == 24
    assert (counted["test_m"]["pairs_m"], counted["test_m"]["pairs_w"]) == (3, 0)
    assert (counted["test_w"]["pairs_m"], counted["test_w"]["pairs_w"]) == (0, 3)
