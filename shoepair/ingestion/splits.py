"""Student -> train, valid, test_m or test_w, by a keyed hash of the student and nothing else.

A student of the folder `train` goes to valid where hash(salt, batch, student) / 2^64 < share, else to train; students
of `test_m` and `test_w` are test students. Nobody's split depends on who else is there, so nobody ever moves when
students or batches are added or withdrawn. The price: the share of valid is met on average, not exactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pandas as pd

from shoepair.data import naming
from shoepair.data.naming import DEALT, SPLITS
from shoepair.runtime.errors import ShoepairError


def share_of(salt: str, batch: str, student: str) -> float:
    """Where a student falls in 0..1, uniform over students; the same on every machine, for ever."""
    digest = hashlib.blake2b(f"{batch}/{student}".encode(), digest_size=8, key=salt.encode())
    return int.from_bytes(digest.digest(), "big") / 2**64


def assign(tables: Mapping[str, pd.DataFrame], salt: str, valid: float) -> pd.DataFrame:
    """Put every student of the class into a split.

    Args:
        tables: batch -> `Photos` rows, in the order of arrival.
        salt: keys the hash, at most 64 bytes.
        valid: share of the students of the `train` folders that goes to valid.

    Returns:
        `Split` rows.

    Raises:
        ShoepairError: there is no batch; a student or a photo is in two batches; train or valid is empty.
    """
    if not tables:
        found = "data/batches.yaml: no batches"
        raise ShoepairError(found, fix="put the name of a folder of data/raw into the list `batches`")
    problems = collisions(tables)
    if problems:
        found = f"data/raw: {len(problems)} problem{'s' if len(problems) > 1 else ''} between batches"
        fix = "give each student one batch and one number, then run `dvc repro`"
        raise ShoepairError(found, problems=problems, fix=fix)
    rows = []
    for batch, table in tables.items():
        for row, (student, folder) in enumerate(table.groupby("student", sort=True)["set"].first().items()):
            dealt = "valid" if share_of(salt, batch, str(student)) < valid else "train"
            rows.append((batch, student, row, dealt if folder == "train" else folder))
    split = pd.DataFrame(rows, columns=["batch", "student", "row", "split"])
    _refuse_empty(split, salt, valid)
    return split


def collisions(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return one line per student, and per photo, that is in two batches: it could be in two splits then.

    Args:
        tables: batch -> rows with `path`, `student` and `sha256`; a photo without a digest equals no other.
    """
    rows = pd.concat([table.assign(batch=batch, place=f"{batch}/" + table["path"]) for batch, table in tables.items()])
    problems = []
    for student, batches in rows.groupby("student")["batch"].unique().items():
        if len(batches) > 1:
            problems.append(f"{student}: in the batches {' and '.join(batches)}, expected one")
    for _, group in rows.groupby("sha256"):
        if group["batch"].nunique() > 1:
            first, *others = group["place"]
            problems.append(f"{first}: same content as {', '.join(others)}")
    return sorted(problems)


def _refuse_empty(split: pd.DataFrame, salt: str, valid: float) -> None:
    dealt = split[split["split"].isin(DEALT)]
    empty = [name for name in DEALT if name not in set(dealt["split"])]
    if not empty:
        return
    found = f"split: no student in {' and '.join(empty)} (of {len(dealt)}, with salt {salt!r} and share {valid})"
    if len(dealt) < len(DEALT):
        raise ShoepairError(found, fix="the folders `train` of the batches must hold 2 students or more")
    raise ShoepairError(found, fix=_remedy(dealt, salt, valid))


def _remedy(dealt: pd.DataFrame, salt: str, valid: float) -> str:
    """Which share or which salt would give every split a student: found by trying, so that it works when taken."""
    students = list(zip(dealt["batch"], dealt["student"], strict=True))
    shares = sorted(share_of(salt, *student) for student in students)
    least, most = shares[0], shares[-1]
    near = round((least + shares[1]) / 2 if valid <= least else (shares[-2] + most) / 2, 3)
    advice = f"`split.valid: {near}`" if least < near <= most else "another `split.valid`"
    for number in range(2, 1000):
        other = f"{salt[:12]}-{number}"  # cut: a key of the hash has 64 bytes at most, a letter up to four
        if len({share_of(other, *student) < valid for student in students}) == len(DEALT):
            return f"set {advice} or `split.salt: {other}` in params.yaml"
    return f"set {advice} in params.yaml"


def counts(split: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, int]]:
    """Students and pairs of shoes per split, together and per kind.

    A student who handed in men's and women's shoes counts in both `students_m` and `students_w`.
    """
    shoes = pd.concat(list(tables.values())).drop_duplicates(["student", "pair"])
    shoes = shoes.merge(split[["student", "split"]], on="student", validate="many_to_one")
    return {name: _count(shoes[shoes["split"] == name]) for name in SPLITS}


def _count(shoes: pd.DataFrame) -> dict[str, int]:
    numbers = {"students": shoes["student"].nunique(), "pairs": len(shoes)}
    for kind in naming.KINDS:
        group = shoes[shoes["kind"] == kind]
        numbers |= {f"students_{kind}": group["student"].nunique(), f"pairs_{kind}": len(group)}
    return numbers
