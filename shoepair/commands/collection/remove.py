"""A batch or a student leaves: the photos go, the list and the records of the pipeline follow.

What DVC recorded stays in its cache, and comes back with an older commit; only `purge` takes a student from there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from dvc.utils.serialize import modify_yaml

from shoepair.commands import dvc_records
from shoepair.commands.collection import batch_list, withdrawn
from shoepair.data import naming
from shoepair.ingestion import scan
from shoepair.runtime import paths
from shoepair.runtime.batches import load_batches
from shoepair.runtime.errors import ShoepairError, escaped

PER_BATCH = ("sample", "ingest", "validate", "normalize")  # the stages that work one batch


def remove(batch: str) -> int:
    """Take a batch out of the pipeline: from the list, from data/raw, with its outputs and its entries in dvc.lock.

    Returns:
        The number of files that lay in data/raw.

    Raises:
        ShoepairError: there is no such batch, or its photos changed since DVC recorded them; nothing was changed.
    """
    _refuse_unlisted(batch)
    if batch not in load_batches().samples:
        _refuse_changed(batch)
    files = len(list(scan.walk(paths.raw(batch)))) if paths.raw(batch).is_dir() else 0
    batch_list.remove(batch)  # first: from here on the pipeline does not ask for the rest
    dvc_records.file(batch).unlink(missing_ok=True)
    shutil.rmtree(paths.raw(batch), ignore_errors=True)
    for place in (paths.table, paths.valid, paths.signs, paths.store, paths.validation):
        place(batch).unlink(missing_ok=True)
    _drop_from_lock(batch)
    return files


def _refuse_unlisted(batch: str) -> None:
    listed = load_batches().batches
    if batch not in listed:
        found = f"batch {batch!r}: not in {paths.BATCHES}, which lists {', '.join(listed) or 'none'}"
        raise ShoepairError(found, fix="give one of these; `shoepair batches` shows them")


def _refuse_changed(batch: str) -> None:
    """Photos that DVC does not hold as they are now would be lost."""
    if not dvc_records.file(batch).is_file():
        found = f"{paths.raw(batch)}: not tracked by DVC, so deleting it would lose the photos"
        raise ShoepairError(found, fix=f"run `dvc add {paths.raw(batch)}` first")
    if paths.raw(batch).is_dir() and dvc_records.is_changed(batch):
        found = f"{paths.raw(batch)}: changed since DVC recorded it, so deleting it would lose photos"
        fix = f"run `dvc add {paths.raw(batch)}` to record the change, or `dvc checkout {paths.raw(batch)}` to undo it"
        raise ShoepairError(found, fix=fix)


def _drop_from_lock(batch: str) -> None:
    """DVC keeps what it recorded of stages that are no more; `git diff` should show the batch leave."""
    if dvc_records.LOCK.is_file():
        with modify_yaml(dvc_records.LOCK) as document:
            for stage in PER_BATCH:
                document.get("stages", {}).pop(f"{stage}@{batch}", None)


def forget(student: str, batch: str) -> list[str]:
    """A student, like u052, withdraws: the photos leave the batch, DVC records the batch without them.

    Returns:
        The photos that left, as paths within the batch.

    Raises:
        ShoepairError: there is no such batch or student, the student is the last one, or photos of the batch changed
            since DVC recorded them; nothing was changed.
    """
    _refuse_unlisted(batch)
    if batch in load_batches().samples:
        found = f"batch {batch!r}: drawn, not photographed; its students are nobody's"
        raise ShoepairError(found, fix=f"change `samples` in {paths.BATCHES} instead")
    if not paths.raw(batch).is_dir():
        found = f"{paths.raw(batch)}: its photos are not here"
        record = dvc_records.file(batch)
        raise ShoepairError(found, fix=f"run `dvc checkout {record}` or `dvc pull {record}`")
    again = student in withdrawn.load().get(batch, [])  # after a kill in the middle, or for photos that came back
    theirs = photos_of(student, batch)
    if not theirs and not again:
        found = f"batch {batch!r}: no photo of student {escaped(student)!r}"
        raise ShoepairError(found, fix="give the number as in the files' names, like u052")
    if not again:
        _refuse_changed(batch)
    if all(naming.owner(path.name) in {student, ""} for path in scan.walk(paths.raw(batch))):
        found = f"batch {batch!r}: {student} is its only student"
        raise ShoepairError(found, fix=f"run `shoepair remove {batch}`")
    withdrawn.append(batch, student)  # first: a killed command is then known to be repeated
    for path in theirs:
        path.unlink()
    dvc_records.add(batch)
    return [path.relative_to(paths.raw(batch)).as_posix() for path in theirs]


def photos_of(student: str, batch: str) -> list[Path]:
    """The files in data/raw whose names say that they are this student's, also by a name that breaks the grammar."""
    return sorted(path for path in scan.walk(paths.raw(batch)) if naming.owner(path.name) == student)
