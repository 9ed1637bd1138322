"""The split of each student, and the nine pairs of a student."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.classes import photo_rows
from support.field import edit, write_class

from shoepair.data import pairs, parquet_files, schemas
from shoepair.ingestion import splits
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, split, validate

STUDENTS = [f"u{number:03}" for number in range(40)]


def split_of(accepted: dict[str, pd.DataFrame], valid: float = 0.3) -> dict[str, str]:
    rows = splits.assign_splits_by_hash(accepted, "shoes", valid)
    return dict(zip(rows["student"], rows["split"], strict=True))


@settings(deadline=None, max_examples=30)
@given(st.sets(st.sampled_from(STUDENTS)), st.sets(st.sampled_from(STUDENTS)))
def test_no_student_moves_when_others_are_added_or_removed(added: set[str], removed: set[str]) -> None:
    before = split_of({"a": photo_rows(STUDENTS)})
    required = {"u000", *(name for name in STUDENTS if before[name] == "valid")}  # so that no split is empty
    students = sorted(required | added | {name for name in STUDENTS if before[name] == "train"} - removed)
    after = split_of({"a": photo_rows(students), "b": photo_rows([f"u9{number}" for number in range(9)])})
    assert {name: after[name] for name in students} == {name: before[name] for name in students}


def test_split_depends_on_salt_and_batch() -> None:
    assert splits.hash_to_unit_interval("a", "b", "u1") != splits.hash_to_unit_interval("x", "b", "u1")
    assert splits.hash_to_unit_interval("a", "b", "u1") != splits.hash_to_unit_interval("a", "x", "u1")
    # Pinned: a change of the hash would move every student of every class.
    assert splits.hash_to_unit_interval("shoes", "winter", "u052") == 0.8158786392148365


def test_students_of_test_folders_are_test_students() -> None:
    accepted = {"a": pd.concat([photo_rows(STUDENTS), photo_rows(["u100"], "test_m"), photo_rows(["u101"], "test_w")])}
    assert (split_of(accepted)["u100"], split_of(accepted)["u101"]) == ("test_m", "test_w")


@pytest.mark.parametrize("valid", [0.0001, 0.9999])
def test_fix_for_an_empty_split_works(valid: float) -> None:
    accepted = {"a": photo_rows(STUDENTS[:5])}
    with pytest.raises(ShoepairError, match=r"split: no student in (valid|train) \(of 5, with salt 'shoes'") as caught:
        splits.assign_splits_by_hash(accepted, "shoes", valid)
    share = re.search(r"`split\.valid: ([0-9.]+)`", str(caught.value))
    salt = re.search(r"`split\.salt: ([\w-]+)`", str(caught.value))
    assert share
    assert set(splits.assign_splits_by_hash(accepted, "shoes", float(share[1]))["split"]) == {"train", "valid"}
    if salt:
        assert set(splits.assign_splits_by_hash(accepted, salt[1], valid)["split"]) == {"train", "valid"}


def test_salt_of_the_fix_works() -> None:
    accepted = {"a": photo_rows(["u001", "u002"])}
    message = ""
    for number in range(200):
        try:
            splits.assign_splits_by_hash(accepted, f"s{number}", 0.3)
        except ShoepairError as error:
            message = str(error)
            break
    salt = re.search(r"`split\.salt: ([\w-]+)`", message)
    assert salt
    assert set(splits.assign_splits_by_hash(accepted, salt[1], 0.3)["split"]) == {"train", "valid"}


def test_counts_by_split_and_category() -> None:
    mixed = photo_rows(["u100"])
    mixed.loc[mixed["pair"] == 3, "category"] = "w"
    accepted = {"a": pd.concat([mixed, photo_rows(["u101"]), photo_rows(["u200"], "test_w", "w")])}
    rows = pd.DataFrame({"student": ["u100", "u101", "u200"], "split": ["train", "valid", "test_w"]})
    counts = splits.counts_by_split(rows, accepted)
    both = {"students": 1, "pairs": 3, "students_m": 1, "pairs_m": 2, "students_w": 1, "pairs_w": 1}
    assert counts["train"] == both
    assert counts["test_w"] == {"students": 1, "pairs": 3, "students_m": 0, "pairs_m": 0} | {
        "students_w": 1,
        "pairs_w": 3,
    }
    assert set(counts["test_m"].values()) == {0}


@pytest.mark.usefixtures("project")
def test_split_without_students_fails_as_a_stage_and_writes_nothing() -> None:
    edit(Path("params.yaml"), "valid: 0.20 ", "valid: 0.00001 ")
    ingest.main("tiny")
    validate.main("tiny")
    with pytest.raises(ShoepairError, match="no student in valid"):
        split.main()
    assert not paths.SPLIT.exists()
    assert not paths.SPLIT_METRICS.exists()


@pytest.mark.usefixtures("project")
def test_batch_taken_from_the_list_is_no_longer_read() -> None:
    write_class(Path("data/raw/late"), {"train": ("u200", "u201", "u202", "u203")})
    edit(Path("data/batches.yaml"), "  - tiny\n", "  - tiny\n  - late\n")
    for batch in ("tiny", "late"):
        ingest.main(batch)
        validate.main(batch)
    split.main()
    assert set(parquet_files.read_table(paths.SPLIT, schemas.StudentSplits)["batch"]) == {"tiny", "late"}
    edit(Path("data/batches.yaml"), "  - late\n", "")
    split.main()
    assert set(parquet_files.read_table(paths.SPLIT, schemas.StudentSplits)["batch"]) == {"tiny"}


def test_nine_combinations_of_a_student() -> None:
    rows = pairs.build_pair_rows(pd.DataFrame({"batch": ["a"], "student": ["u1"], "row": [0], "split": ["train"]}))
    assert len(rows.drop_duplicates(["left", "right"])) == 9
    assert (rows["same"] == (rows["left"] == rows["right"])).all()
    standard = rows[rows["standard"] & (rows["same"] == 0)]
    assert list(zip(standard["left"], standard["right"], strict=True)) == [(1, 2), (2, 3), (3, 1)]
    assert rows[rows["same"] == 1]["standard"].all()
    assert len(rows[rows["standard"] & (rows["split"] == "train")]) == 6
