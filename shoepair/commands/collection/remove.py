"""Removal of a batch or a student: photos, list entry and records.

What DVC recorded stays in its cache, and an older commit restores it; only `purge` deletes a student from there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from dvc.utils.serialize import modify_yaml

from shoepair.commands import dvc_records
from shoepair.commands.collection import batch_list, withdrawn
from shoepair.data import naming
from shoepair.ingestion import file_manifest
from shoepair.runtime import paths
from shoepair.runtime.batches import load_batch_lists
from shoepair.runtime.errors import ShoepairError, escape_unprintable

BATCH_STAGES = ("sample", "ingest", "validate", "normalize")  # the stages that run per batch


def remove_batch(batch: str) -> int:
    """Remove a batch: its list entry, photos, outputs and dvc.lock entries; return the number of files in data/raw.

    Raises:
        ShoepairError: there is no such batch, or its photos changed since DVC recorded them; nothing was changed.
    """
    _raise_if_unlisted(batch)
    if batch not in load_batch_lists().synthetic_classes:
        _raise_if_changed(batch)
    files = len(list(file_manifest.iter_files(paths.raw_path(batch)))) if paths.raw_path(batch).is_dir() else 0
    batch_list.remove_list_entry(batch)  # first: the pipeline then does not need the rest
    dvc_records.dvc_file_path(batch).unlink(missing_ok=True)
    shutil.rmtree(paths.raw_path(batch), ignore_errors=True)
    tables = (paths.manifest_path, paths.accepted_path, paths.image_stats_path)
    for output_path in (*tables, paths.store_path, paths.validation_report_path):
        output_path(batch).unlink(missing_ok=True)
    _remove_from_lock(batch)
    return files


def _raise_if_unlisted(batch: str) -> None:
    listed = load_batch_lists().batches
    if batch not in listed:
        message = f"batch {batch!r}: not in {paths.BATCH_LIST}, which lists {', '.join(listed) or 'none'}"
        raise ShoepairError(message, fix="give a listed one; `shoepair batches` shows them")


def _raise_if_changed(batch: str) -> None:
    """Raise if photos differ from what DVC holds, since deleting would lose them."""
    raw = paths.raw_path(batch)
    if not dvc_records.dvc_file_path(batch).is_file():
        message = f"{raw}: not tracked by DVC, so deleting it would lose the photos"
        raise ShoepairError(message, fix=f"run `dvc add {raw}` first")
    if raw.is_dir() and dvc_records.has_unrecorded_changes(batch):
        message = f"{raw}: changed since DVC recorded it, so deleting it would lose photos"
        fix = f"run `dvc add {raw}` to record the change, or `dvc checkout {raw}` to undo it"
        raise ShoepairError(message, fix=fix)


def _remove_from_lock(batch: str) -> None:
    """Remove the batch's stages from dvc.lock, where DVC would keep them; `git diff` then shows the removal."""
    if dvc_records.LOCK_PATH.is_file():
        with modify_yaml(dvc_records.LOCK_PATH) as document:
            for stage in BATCH_STAGES:
                document.get("stages", {}).pop(f"{stage}@{batch}", None)


def withdraw_student(student: str, batch: str) -> list[str]:
    """Delete the photos of a student, like u052, from a batch, record the withdrawal and the changed batch.

    Returns:
        The deleted photos, as paths within the batch.

    Raises:
        ShoepairError: there is no such batch or student, the student is the only one, or photos of the batch changed
            since DVC recorded them; nothing was changed.
    """
    _raise_if_unlisted(batch)
    if batch in load_batch_lists().synthetic_classes:
        message = f"batch {batch!r}: a synthetic class, its students are not people"
        raise ShoepairError(message, fix=f"change `synthetic_classes` in {paths.BATCH_LIST} instead")
    if not paths.raw_path(batch).is_dir():
        message = f"{paths.raw_path(batch)}: its photos are not in this checkout"
        record = dvc_records.dvc_file_path(batch)
        raise ShoepairError(message, fix=f"run `dvc checkout {record}` or `dvc pull {record}`")
    # Withdrawn before: after a kill in the middle, or for photos that came back.
    withdrawn_before = student in withdrawn.withdrawn_students_by_batch().get(batch, [])
    photos = find_files_naming_student(student, batch)
    if not photos and not withdrawn_before:
        message = f"batch {batch!r}: no photo of student {escape_unprintable(student)!r}"
        raise ShoepairError(message, fix="give the id as in the file names, like u052")
    if not withdrawn_before:
        _raise_if_changed(batch)
    if all(
        naming.extract_student_id(path.name) in {student, ""}
        for path in file_manifest.iter_files(paths.raw_path(batch))
    ):
        message = f"batch {batch!r}: {student} is its only student"
        raise ShoepairError(message, fix=f"run `shoepair remove {batch}`")
    withdrawn.record_withdrawal(batch, student)  # first: a killed command can then be repeated
    for path in photos:
        path.unlink()
    dvc_records.dvc_add(batch)
    return [path.relative_to(paths.raw_path(batch)).as_posix() for path in photos]


def find_files_naming_student(student: str, batch: str) -> list[Path]:
    """Find the files of a batch whose names contain the student's id, even where the name is malformed."""
    return sorted(
        path
        for path in file_manifest.iter_files(paths.raw_path(batch))
        if naming.extract_student_id(path.name) == student
    )
