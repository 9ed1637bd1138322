"""`shoepair add`: copy a folder or archive of class photos into the pipeline as a batch, or change nothing.

The photos are checked against the rules of `validate` and compared with the existing batches before any file changes.
The list of batches is written last. A journal names the batch being added, so that the next command can undo it if
this one is killed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from shoepair.commands import dvc_records
from shoepair.commands.collection import (
    add_journal,
    archives,
    batch_list,
    drift,
    overview,
    temporary_folders,
    withdrawn,
)
from shoepair.data import naming
from shoepair.data.wording import count_with_noun
from shoepair.ingestion import file_manifest, ignored_files, validation
from shoepair.ingestion.config import NormalizeConfig, ValidateConfig
from shoepair.runtime import file_digests, parallel, params, paths, termination
from shoepair.runtime.batch_names import BATCH_NAME_PATTERN, WINDOWS_DEVICES
from shoepair.runtime.batches import load_batch_lists
from shoepair.runtime.errors import ShoepairError, escape_unprintable


def add_batch(
    source: Path, batch: str, *, replace_others: bool = False, dry_run: bool = False
) -> tuple[validation.ValidationResult, list[drift.Shift]]:
    """Validate class photos, copy them to data/raw, track them with DVC, and list them as a batch.

    Args:
        source: folder, zip or tar of photos in sub-folders `train`, `test_m`, `test_w`; other photos count as train.
        batch: its name.
        replace_others: remove all other batches and synthetic classes from the list; real and synthetic shoes then
            do not mix.
        dry_run: check only.

    Returns:
        The result of validation, and the shifts against the existing batches.

    Raises:
        ShoepairError: the photos break a rule, or belong to an existing batch; the name is taken or malformed;
            nothing was changed.
    """
    if not dry_run:
        add_journal.undo_killed_add()
    temporary_folders.delete_abandoned_folders()
    _raise_if_name_taken(batch)
    with (
        termination.clean_up_when_terminated("stopped: nothing was added"),
        archives.open_photo_folder(source) as handed_in,
        parallel.force_local(),
    ):
        edge = params.load(NormalizeConfig).edge
        result = validation.validate_batch_or_raise(
            batch,
            handed_in.path,
            file_manifest.build_manifest(
                handed_in.path, location=handed_in.location, ignored_beside=handed_in.ignored_beside
            ),
            edge,
            params.load(ValidateConfig),
            location=handed_in.location,
            correction=handed_in.correction,
        )
        _raise_if_withdrawn(batch, result.accepted)
        if not replace_others:
            _raise_if_collisions(source, batch, result.accepted)
        shifts = [] if replace_others else drift.compare_with_listed_batches(result.accepted, result.image_stats)
        if not dry_run:
            with temporary_folders.open_temporary_folder() as copy:
                _copy_photos(handed_in, copy)
                with add_journal.journaled(batch):
                    copy.rename(paths.raw_path(batch))
                    dvc_records.dvc_add(batch)
                    (batch_list.set_only_list_entry if replace_others else batch_list.append_list_entry)(batch)
    return result, shifts


def _raise_if_name_taken(batch: str) -> None:
    batches = load_batch_lists()
    if not BATCH_NAME_PATTERN.fullmatch(batch):
        message = (
            f"--name {batch!r}, expected lower-case letters, digits, '-' and '_', 63 at most, letter or digit first"
        )
        raise ShoepairError(message, fix="choose another name")
    if batch in WINDOWS_DEVICES:
        message = f"--name {batch!r}: Windows has a device of this name, so nobody could clone the project there"
        raise ShoepairError(message, fix="choose another name")
    if batch == paths.SYNTHETIC_BATCH:
        message = f"--name {batch!r}: reserved for the synthetic training students"
        raise ShoepairError(message, fix="choose another name")
    if batch in batches.batches or batch in batches.synthetic_classes:
        message = f"--name {batch!r}: this batch exists already"
        raise ShoepairError(message, fix="choose another name; if it is the same class, run `make repro`")
    if paths.raw_path(batch).exists() or dvc_records.dvc_file_path(batch).exists():
        message = f"--name {batch!r}: {paths.raw_path(batch)} exists, but {paths.BATCH_LIST} does not list it"
        raise ShoepairError(message, fix="choose another name; or move the folder elsewhere and add it from there")


def _raise_if_withdrawn(batch: str, accepted_photos: pd.DataFrame) -> None:
    """Raise if photos of students who withdrew from a batch of this name come back."""
    gone = {naming.strip_leading_zeros(name) for name in withdrawn.withdrawn_students_by_batch().get(batch, [])}
    returning = [name for name in sorted(set(accepted_photos["student"])) if naming.strip_leading_zeros(name) in gone]
    if returning:
        message = f"--name {batch!r}: {len(returning)} of its students withdrew from a batch of this name"
        problems = [f"{student}: withdrawn in {paths.WITHDRAWN_LIST}" for student in returning]
        raise ShoepairError(message, problems=problems, fix="remove their photos; or choose another name")


def _raise_if_collisions(source: Path, batch: str, accepted_photos: pd.DataFrame) -> None:
    """Raise if a student or photo is in two batches: it could get into two splits."""
    problems = overview.list_collision_messages(batch, accepted_photos)
    if problems:
        count = f"{count_with_noun(len(problems), 'problem')} with the existing batches"
        message = f"{escape_unprintable(str(source))}: {count}, nothing was added"
        fix = "give each student one batch and one number; or use `--alone` for this batch only"
        raise ShoepairError(message, problems=problems, fix=fix)


def _copy_photos(source: archives.PhotoFolder, target: Path) -> None:
    """Copy the bytes of every file that is not ignored; no owner, mode or times, and no links out of it."""
    try:
        for path in file_manifest.iter_files(source.path):
            relative_path = path.relative_to(source.path)
            if file_digests.is_file_or_cache_link(path) and not ignored_files.is_ignored(relative_path):
                (target / relative_path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / relative_path)
    except OSError as error:
        message = f"{source.location}: cannot be copied ({error.strerror}), nothing was added"
        raise ShoepairError(message, fix="free disk space or correct the permissions, then add it again") from None
