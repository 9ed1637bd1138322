"""Who is in which split, and the pairs made of them."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.classes import photo_rows
from support.field import edit, write_class

from shoepair.data import pairs, schemas, tables
from shoepair.ingestion import splits
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, split, validate

STUDENTS = [f"u{number:03}" for number in range(40)]


def dealt(accepted: dict[str, pd.DataFrame], valid: float = 0.3) -> dict[str, str]:
    rows = splits.assign(accepted, "shoes", valid)
    return dict(zip(rows["student"], rows["split"], strict=True))


@settings(deadline=None, max_examples=30)
@given(st.sets(st.sampled_from(STUDENTS)), st.sets(st.sampled_from(STUDENTS)))
def test_nobody_ever_moves(some: set[str], others: set[str]) -> None:
    whole = dealt({"a": photo_rows(STUDENTS)})
    seeds = {"u000", *(name for name in STUDENTS if whole[name] == "valid")}  # so that no split is empty
    kept = sorted(seeds | some | {name for name in STUDENTS if whole[name] == "train"} - others)
    part = dealt({"a": photo_rows(kept), "b": photo_rows([f"u9{number}" for number in range(9)])})
    assert {name: part[name] for name in kept} == {name: whole[name] for name in kept}


def test_split_depends_on_salt_and_batch() -> None:
    assert splits.share_of("a", "b", "u1") != splits.share_of("x", "b", "u1")
    assert splits.share_of("a", "b", "u1") != splits.share_of("a", "x", "u1")
    # Pinned: a change of the hash would move every student of every class.
    assert splits.share_of("shoes", "winter", "u052") == 0.8158786392148365


def test_folder_decides_on_test_students() -> None:
    accepted = {"a": pd.concat([photo_rows(STUDENTS), photo_rows(["u100"], "test_m"), photo_rows(["u101"], "test_w")])}
    assert (dealt(accepted)["u100"], dealt(accepted)["u101"]) == ("test_m", "test_w")


@pytest.mark.parametrize("valid", [0.0001, 0.9999])
def test_advice_for_an_empty_split_works_when_taken(valid: float) -> None:
    accepted = {"a": photo_rows(STUDENTS[:5])}
    with pytest.raises(ShoepairError, match=r"split: no student in (valid|train) \(of 5, with salt 'shoes'") as caught:
        splits.assign(accepted, "shoes", valid)
    share = re.search(r"`split\.valid: ([0-9.]+)`", str(caught.value))
    salt = re.search(r"`split\.salt: ([\w-]+)`", str(caught.value))
    assert share
    assert set(splits.assign(accepted, "shoes", float(share[1]))["split"]) == {"train", "valid"}
    if salt:
        assert set(splits.assign(accepted, salt[1], valid)["split"]) == {"train", "valid"}


def test_advice_of_a_salt_works_when_taken() -> None:
    accepted = {"a": photo_rows(["u001", "u002"])}
    message = ""
    for number in range(200):
        try:
            splits.assign(accepted, f"s{number}", 0.3)
        except ShoepairError as error:
            message = str(error)
            break
    salt = re.search(r"`split\.salt: ([\w-]+)`", message)
    assert salt
    assert set(splits.assign(accepted, salt[1], 0.3)["split"]) == {"train", "valid"}


def test_counts_by_split_and_kind() -> None:
    mixed = photo_rows(["u100"])
    mixed.loc[mixed["pair"] == 3, "kind"] = "w"
    accepted = {"a": pd.concat([mixed, photo_rows(["u101"]), photo_rows(["u200"], "test_w", "w")])}
    rows = pd.DataFrame({"student": ["u100", "u101", "u200"], "split": ["train", "valid", "test_w"]})
    counts = splits.counts(rows, accepted)
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
    assert set(tables.read(paths.SPLIT, schemas.Split)["batch"]) == {"tiny", "late"}
    edit(Path("data/batches.yaml"), "  - late\n", "")
    split.main()
    assert set(tables.read(paths.SPLIT, schemas.Split)["batch"]) == {"tiny"}


def test_nine_combinations_of_a_student() -> None:
    rows = pairs.build(pd.DataFrame({"batch": ["a"], "student": ["u1"], "row": [0], "split": ["train"]}))
    assert len(rows.drop_duplicates(["left", "right"])) == 9
    assert (rows["same"] == (rows["left"] == rows["right"])).all()
    standard = rows[rows["standard"] & (rows["same"] == 0)]
    assert list(zip(standard["left"], standard["right"], strict=True)) == [(1, 2), (2, 3), (3, 1)]
    assert rows[rows["same"] == 1]["standard"].all()
    assert len(rows[rows["standard"] & (rows["split"] == "train")]) == 6
