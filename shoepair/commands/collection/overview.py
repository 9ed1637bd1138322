"""Who is in the class: the students of every listed batch, from the names of their photos.

Names are enough for who is there and for what a batch weighs; where contents must be compared, only files of equal
length are read. So a new batch is held against a class of any size without reading the class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from shoepair.data import documents, naming, schemas, tables
from shoepair.ingestion import rules, scan, splits
from shoepair.ingestion.config import Normalize, Validate
from shoepair.runtime import params, paths
from shoepair.runtime.batches import load_batches
from shoepair.runtime.errors import ShoepairError

COLUMNS = ["path", "student", "kind", "bytes", "sha256"]


def members(batch: str, lengths: Collection[int] = ()) -> pd.DataFrame | None:
    """The photos of a listed batch by name, wherever they can be read from.

    Photos of the given lengths, in bytes, are read for their digests.

    Returns:
        One row per photo with a sound name: `path` within the batch, `student`, `kind`, `bytes`, `sha256` (missing if
        it was not read); or None where neither the photos nor the table of stage `ingest` are here.
    """
    folder = paths.raw(batch)
    if folder.is_dir():
        return pd.DataFrame(list(_named(folder, lengths)), columns=COLUMNS).sort_values("path", ignore_index=True)
    if paths.table(batch).is_file():
        rows = tables.read(paths.table(batch), schemas.Files)
        return rows.loc[rows["student"].notna(), COLUMNS].reset_index(drop=True)
    return None


def _named(folder: Path, lengths: Collection[int]) -> Iterator[dict[str, Any]]:
    for path in scan.walk(folder):
        within = path.relative_to(folder)
        if scan.is_system_file(within) or path.is_symlink() or not path.is_file():
            continue
        try:
            name = naming.parse(path.name)
        except naming.PhotoError:
            continue
        length = path.stat().st_size
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if length in lengths else None
        yield {"path": within.as_posix(), **vars(name), "bytes": length, "sha256": digest}


def collisions(batch: str, accepted: pd.DataFrame) -> list[str]:
    """What speaks against a new batch, its `Photos` rows, beside the listed ones: a student or a photo of theirs.

    Returns:
        One line a student or photo; or a single line for a listed batch that has the same photos.

    Raises:
        ShoepairError: a listed batch is not here, so that nothing can be said.
    """
    problems = []
    for other in load_batches().batches:
        there = members(other, set(accepted["bytes"]))
        if there is None:
            found = f"batch {other!r}: its photos are not here, so batch {batch!r} cannot be compared with it"
            raise ShoepairError(found, fix="run `dvc pull`, or `dvc repro` if it is a sample class")
        if len(there) == len(accepted) and there["sha256"].isin(accepted["sha256"]).all():
            problems.append(f"all {len(accepted)} photos: the batch equals {other!r}")
        else:
            problems += splits.collisions({other: there, batch: accepted})
    return problems


def judged() -> dict[str, rules.Verdict]:
    """Every listed batch whose photos are here, held against the rules anew: all faults of all batches.

    Raises:
        ShoepairError: the photos of no batch are here.
    """
    edge, policy = params.load(Normalize).edge, params.load(Validate)
    here = [batch for batch in load_batches().batches if paths.raw(batch).is_dir()]
    if not here:
        found = f"{paths.RAW}: the photos of no listed batch are here"
        raise ShoepairError(found, fix="run `dvc pull`, or `dvc repro` for a sample class")
    return {batch: rules.judge(paths.raw(batch), scan.scan(paths.raw(batch)), edge, policy) for batch in here}


def overview() -> pd.DataFrame:
    """Every listed batch with its numbers.

    Returns:
        One row per batch: `batch`, `source` (drawn, added), `students`, `photos`, `men` and `women` (students with
        such shoes; many have both), `quarantined` (students set aside by `validate`), `bytes`. A number is missing
        where the photos are not here, or the stage that counts it has not run.
    """
    listed = load_batches()
    rows = []
    for batch in listed.batches:
        row: dict[str, Any] = {"batch": batch, "source": "drawn" if batch in listed.samples else "added"}
        there = members(batch)
        if there is not None:
            row |= {"students": there["student"].nunique(), "photos": len(there), "bytes": int(there["bytes"].sum())}
            kinds = there.groupby("kind")["student"].nunique()
            row |= {"men": int(kinds.get("m", 0)), "women": int(kinds.get("w", 0))}
        if paths.validation(batch).is_file():
            report = documents.read_json(paths.validation(batch), "run `dvc repro`")
            row |= {"quarantined": report.get("quarantined_students", 0)}
        rows.append(row)
    columns = ["batch", "source", "students", "photos", "men", "women", "quarantined", "bytes"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:], "Int64"))
