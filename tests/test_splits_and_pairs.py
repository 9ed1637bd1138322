"""Who is in which split, and the pairs made of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import edit, write_class
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data import naming, pairs, schemas, tables
from shoepair.ingestion import splits
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, split, validate

STUDENTS = [f"u{number:03}" for number in range(40)]


def photo_rows(students: list[str], folder: str = "train", kind: str = "m") -> pd.DataFrame:
    """`Photos` rows, as if read from a valid table."""
    return pd.DataFrame(
        [
            {"path": f"{student}{pair}{side}", "set": folder, "student": student, "pair": pair, "side": side}
            | {"kind": kind, "bytes": 1, "sha256": f"{student}{pair}{side}"}
            for student in students
            for pair, side in naming.SHOES
        ]
    )


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


def test_share_is_met_on_average() -> None:
    shares = np.array([splits.share_of("shoes", "a", f"u{number}") for number in range(10_000)])
    assert abs((shares < 0.2).mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 10_000)
    assert abs(shares.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 10_000)


def test_split_depends_on_salt_and_batch() -> None:
    assert splits.share_of("a", "b", "u1") != splits.share_of("x", "b", "u1")
    assert splits.share_of("a", "b", "u1") != splits.share_of("a", "x", "u1")
    # Pinned: a change of the hash would move every student of every class.
    assert splits.share_of("shoes", "winter", "u052") == 0.8158786392148365


def test_folder_decides_on_test_students() -> None:
    accepted = {"a": pd.concat([photo_rows(STUDENTS), photo_rows(["u100"], "test_m"), photo_rows(["u101"], "test_w")])}
    assert (dealt(accepted)["u100"], dealt(accepted)["u101"]) == ("test_m", "test_w")


def test_rows_are_those_of_the_store() -> None:
    accepted = {"b": photo_rows(STUDENTS[:20]), "a": photo_rows(STUDENTS[20:])}
    rows = splits.assign(accepted, "shoes", 0.3)
    assert list(rows["batch"]) == ["b"] * 20 + ["a"] * 20
    assert list(rows["row"]) == [*range(20), *range(20)]
    assert list(rows["student"]) == STUDENTS


def test_student_or_photo_in_two_batches_is_refused() -> None:
    copied = photo_rows(["u070"])
    copied.loc[0, "sha256"] = "u001" + "1left"
    accepted = {"a": photo_rows(STUDENTS), "b": pd.concat([photo_rows(["u003"]), copied])}
    with pytest.raises(ShoepairError) as caught:
        splits.assign(accepted, "shoes", 0.3)
    assert "u003: in the batches a and b, expected one" in str(caught.value)
    assert "a/u0011left: same content as b/u0701left" in str(caught.value)


def test_class_without_batches_is_refused() -> None:
    with pytest.raises(ShoepairError, match=r"data/batches\.yaml: no batches"):
        splits.assign({}, "shoes", 0.2)


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


def test_one_student_cannot_be_split() -> None:
    with pytest.raises(ShoepairError, match="must hold 2 students or more"):
        splits.assign({"a": photo_rows(["u001"])}, "shoes", 0.5)


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


@given(st.integers(0, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99))
def test_generated_pairs_equal_the_plain_loops(students: int, height: int, width: int, seed: int) -> None:
    data = np.random.default_rng(seed).random((students, 3, 2, height, width, 3), np.float32)
    same = [np.concatenate([data[s, p, 0], data[s, p, 1]]) for s in range(students) for p in range(3)]
    different = [np.concatenate([data[s, p, 0], data[s, (p + 1) % 3, 1]]) for s in range(students) for p in range(3)]
    shape = (3 * students, 2 * height, width, 3)
    for got, expected in ((pairs.generate_same_pair(data), same), (pairs.generate_different_pair(data), different)):
        assert got.shape == shape
        assert got.dtype == np.float32
        assert (got == np.array(expected, np.float32).reshape(shape)).all()


def test_order_of_the_shoes_does_not_tell_the_label() -> None:
    sides = np.zeros((2, 3, 2, 4, 4, 3), np.uint8)
    sides[:, :, 1] = 1  # every right shoe is 1, every left shoe 0
    for generate in (pairs.generate_same_pair, pairs.generate_different_pair):
        stacked = generate(sides)
        assert not stacked[:, :4].any(), "the upper shoe is not the left one"
        assert stacked[:, 4:].all(), "the lower shoe is not the right one"


def test_nine_combinations_of_a_student() -> None:
    rows = pairs.build(pd.DataFrame({"batch": ["a"], "student": ["u1"], "row": [0], "split": ["train"]}))
    assert len(rows.drop_duplicates(["left", "right"])) == 9
    assert (rows["same"] == (rows["left"] == rows["right"])).all()
    standard = rows[rows["standard"] & (rows["same"] == 0)]
    assert list(zip(standard["left"], standard["right"], strict=True)) == [(1, 2), (2, 3), (3, 1)]
    assert rows[rows["same"] == 1]["standard"].all()
    assert len(rows[rows["standard"] & (rows["split"] == "train")]) == 6
