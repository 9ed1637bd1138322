"""Removal of a batch or a student: photos, list entry and records.

What DVC recorded stays in its cache, and an older commit restores it; only `purge` deletes a student from there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

from shoepair.commands import dvc_records
from shoepair.commands.collection import batch_list, withdrawn
from shoepair.data import naming
from shoepair.ingestion import file_manifest, ignored_files
from shoepair.runtime import atomic_files, paths
from shoepair.runtime.batches import load_batch_lists
from shoepair.runtime.errors import ShoepairError, escape_unprintable

# The stages that run per batch:
BATCH_STAGES = ("sample", "ingest", "validate", "normalize", "sheets", "features")


def remove_batch(batch: str) -> int:
    """Remove a batch: its list entry, photos, outputs and dvc.lock entries; return the number of files in data/raw.

    Killed in the middle, it can be repeated: the list entry goes last.

    Raises:
        ShoepairError: there is no such batch, or no commit could bring its photos back; nothing was changed.
    """
    _raise_if_unlisted(batch)
    if batch not in load_batch_lists().synthetic_classes:
        _raise_if_not_restorable(batch)
    raw = paths.raw_path(batch)
    files = len(list(file_manifest.iter_files(raw))) if raw.is_dir() else 0
    _remove_from_lock(batch)
    tables = (paths.manifest_path, paths.accepted_path, paths.image_stats_path)
    for output_path in (*tables, paths.store_path, paths.features_path, paths.validation_report_path):
        output_path(batch).unlink(missing_ok=True)
    shutil.rmtree(paths.sheets_path(batch), ignore_errors=True)
    part = raw.with_name(f".{batch}{atomic_files.PARTIAL_SUFFIX}")
    if raw.is_dir():
        raw.rename(part)  # at once: half a class would look like a changed one
    dvc_records.dvc_file_path(batch).unlink(missing_ok=True)
    shutil.rmtree(part, ignore_errors=True)
    batch_list.remove_list_entry(batch)
    return files


def _raise_if_unlisted(batch: str) -> None:
    listed = load_batch_lists().batches
    if batch not in listed:
        message = f"batch {batch!r}: not in {paths.BATCH_LIST}, which lists {', '.join(listed) or 'none'}"
        raise ShoepairError(message, fix="give a listed one; `shoepair batches` shows them")


def _raise_if_changed(batch: str) -> dvc_records.PhotoStatus:
    """Raise if photos differ from what DVC holds, since deleting would lose them; return DVC's status of them."""
    raw = paths.raw_path(batch)
    if not dvc_records.dvc_file_path(batch).is_file():
        message = f"{raw}: not tracked by DVC, so deleting it would lose the photos"
        raise ShoepairError(message, fix=f"run `dvc add {raw}` first")
    status = dvc_records.read_photo_status(batch)
    if raw.is_dir() and status.is_changed:
        message = f"{raw}: changed since DVC recorded it, so deleting it would lose photos"
        fix = f"run `dvc add {raw}` to record the change, or `dvc checkout {raw}` to undo it"
        raise ShoepairError(message, fix=fix)
    return status


def _raise_if_not_restorable(batch: str) -> None:
    """Raise unless the last commit names these photos, and DVC's cache has them."""
    raw, record = paths.raw_path(batch), dvc_records.dvc_file_path(batch)
    if not raw.exists() and not record.exists():
        return  # a killed removal got so far
    status = _raise_if_changed(batch)
    if not dvc_records.is_committed(record):
        message = f"{record}: not in the last commit, so nothing could bring the photos of batch {batch!r} back"
        raise ShoepairError(message, fix=f"run `git add {record}` and `git commit`, then remove it again")
    if raw.is_dir() and not status.is_cached:
        message = f"{raw}: not in DVC's cache, so deleting it would lose the photos"
        raise ShoepairError(message, fix=f"run `dvc add {raw}`, which copies them there, then remove it again")


def _remove_from_lock(batch: str) -> None:
    """Remove the batch's stages from dvc.lock, where DVC would keep them; `git diff` then shows the removal."""
    if dvc_records.LOCK_PATH.is_file():
        document = parse_yaml_for_update(dvc_records.LOCK_PATH.read_text(encoding="utf-8"), dvc_records.LOCK_PATH)
        for stage in BATCH_STAGES:
            document.get("stages", {}).pop(f"{stage}@{batch}", None)
        atomic_files.write_text(dvc_records.LOCK_PATH, dumps_yaml(document))  # DVC itself writes in place


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
    # Files of file managers go too: they may hold small copies of the photos.
    for path in [*photos, *_find_system_files(batch)]:
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


def _find_system_files(batch: str) -> list[Path]:
    raw = paths.raw_path(batch)
    return [path for path in file_manifest.iter_files(raw) if ignored_files.is_system_file(path.relative_to(raw))]
