"""Assignment of students to train, valid, test_m or test_w, by a keyed hash of the student alone.

A student of the folder `train` goes to valid where hash(salt, batch, student) / 2^64 < `split.valid`, else to train;
students of `test_m` and `test_w` are test students. No student's split depends on other students, so none moves when
students or batches are added or removed. In return, the share of valid is met on average, not exactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from shoepair.data import naming
from shoepair.data.naming import NON_TEST_SPLITS, SPLITS
from shoepair.data.wording import count_with_noun
from shoepair.runtime.errors import ShoepairError


def hash_to_unit_interval(salt: str, batch: str, student: str) -> float:
    """Hash a student with a salt to a number in 0..1, uniform over students and the same on every machine."""
    digest = hashlib.blake2b(f"{batch}/{student}".encode(), digest_size=8, key=salt.encode())
    return int.from_bytes(digest.digest(), "big") / 2**64


def assign_splits_by_hash(
    accepted_by_batch: Mapping[str, pd.DataFrame], salt: str, valid_fraction: float
) -> pd.DataFrame:
    """Assign every student to train, valid, test_m or test_w; return `StudentSplits` rows.

    Args:
        accepted_by_batch: batch -> `AcceptedPhotos` rows, in the order of arrival.
        salt: key of the hash, at most 64 bytes.
        valid_fraction: share of the students of the `train` folders that goes to valid.

    Raises:
        ShoepairError: there is no batch; a student or a photo is in two batches; train or valid is empty.
    """
    if not accepted_by_batch:
        message = "data/batches.yaml: no batches"
        raise ShoepairError(message, fix="put the name of a folder of data/raw into the list `batches`")
    problems = find_batch_overlaps(accepted_by_batch)
    if problems:
        message = f"data/raw: {count_with_noun(len(problems), 'problem')} between batches"
        fix = "give each student one batch and one number, then run `dvc repro`"
        raise ShoepairError(message, problems=problems, fix=fix)
    split_rows = pd.concat(
        [_assign_batch(batch, photos, salt, valid_fraction) for batch, photos in accepted_by_batch.items()],
        ignore_index=True,
    )
    _raise_if_split_empty(split_rows, salt, valid_fraction)
    return split_rows


def _assign_batch(batch: str, photos: pd.DataFrame, salt: str, valid_fraction: float) -> pd.DataFrame:
    """Assign the students of one batch; return `StudentSplits` rows."""
    students = photos[["student", "subset"]].drop_duplicates("student").sort_values("student", kind="stable")
    hashes = np.array([hash_to_unit_interval(salt, batch, student) for student in students["student"]])
    by_hash = np.where(hashes < valid_fraction, "valid", "train")
    split = np.where(students["subset"] == "train", by_hash, students["subset"])
    return pd.DataFrame(
        {"batch": batch, "student": students["student"].array, "row": range(len(students)), "split": split}
    )


def find_batch_overlaps(photos_by_batch: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return a message for each student, and each photo, that is in more than one batch and so maybe in two splits.

    Args:
        photos_by_batch: batch -> rows with `path`, `student` and `sha256`; a photo without a digest equals no other.
    """
    columns = ["path", "student", "sha256"]
    rows = pd.concat([photos[columns].assign(batch=batch) for batch, photos in photos_by_batch.items()])
    problems = []
    students = rows[["student", "batch"]].drop_duplicates()
    students["number"] = students["student"].map(naming.strip_leading_zeros)
    for _, group in _rows_in_several_batches(students, "number").groupby("number"):
        names, batches = sorted(group["student"].unique()), group["batch"].unique()
        problems.append(f"{' and '.join(names)}: in the batches {' and '.join(batches)}, expected one")
    for _, group in _rows_in_several_batches(rows.dropna(subset="sha256"), "sha256").groupby("sha256"):
        first, *others = group["batch"] + "/" + group["path"]
        problems.append(f"{first}: same content as {', '.join(others)}")
    return sorted(problems)


def _rows_in_several_batches(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the rows whose key is in more than one batch; hardly ever any."""
    keys = rows[[key, "batch"]].drop_duplicates()[key]
    return rows[rows[key].isin(keys[keys.duplicated()])]


def _raise_if_split_empty(split_rows: pd.DataFrame, salt: str, valid_fraction: float) -> None:
    rows = split_rows[split_rows["split"].isin(NON_TEST_SPLITS)]
    empty = [name for name in NON_TEST_SPLITS if name not in set(rows["split"])]
    if not empty:
        return
    condition = f"of {len(rows)}, with salt {salt!r} and share {valid_fraction}"
    message = f"split: no student in {' and '.join(empty)} ({condition})"
    if len(rows) < len(NON_TEST_SPLITS):
        raise ShoepairError(message, fix="the folders `train` of the batches must hold 2 students or more")
    raise ShoepairError(message, fix=_suggest_fix(rows, salt, valid_fraction))


def _suggest_fix(non_test_rows: pd.DataFrame, salt: str, valid_fraction: float) -> str:
    """Return a `split.valid` and a salt that leave no split empty; both are checked by trying them."""
    students = list(zip(non_test_rows["batch"], non_test_rows["student"], strict=True))
    hashes = sorted(hash_to_unit_interval(salt, *student) for student in students)
    least, most = hashes[0], hashes[-1]
    share = round((least + hashes[1]) / 2 if valid_fraction <= least else (hashes[-2] + most) / 2, 3)
    advice = f"`split.valid: {share}`" if least < share <= most else "another `split.valid`"
    for number in range(2, 1000):
        other = f"{salt[:12]}-{number}"  # truncated: a key has at most 64 bytes, a letter up to four
        if len({hash_to_unit_interval(other, *student) < valid_fraction for student in students}) > 1:
            return f"set {advice} or `split.salt: {other}` in params.yaml"
    return f"set {advice} in params.yaml"


def counts_by_split(
    split_rows: pd.DataFrame, accepted_by_batch: Mapping[str, pd.DataFrame]
) -> dict[str, dict[str, int]]:
    """Count students and pairs of shoes in each split, in total and per category.

    A student who handed in men's and women's shoes counts in both `students_m` and `students_w`.
    """
    shoes = pd.concat(list(accepted_by_batch.values())).drop_duplicates(["student", "pair"])
    shoes = shoes.merge(split_rows[["student", "split"]], on="student", validate="many_to_one")
    return {name: _count_students_and_pairs(shoes[shoes["split"] == name]) for name in SPLITS}


def _count_students_and_pairs(shoe_rows: pd.DataFrame) -> dict[str, int]:
    counts = {"students": shoe_rows["student"].nunique(), "pairs": len(shoe_rows)}
    for category in naming.CATEGORIES:
        group = shoe_rows[shoe_rows["category"] == category]
        counts |= {f"students_{category}": group["student"].nunique(), f"pairs_{category}": len(group)}
    return counts
