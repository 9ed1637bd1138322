"""A class arrives: a folder or archive of photos becomes a batch of the pipeline, or nothing has changed.

The photos are held against the rules of `validate` and against the batches that are there, before anything is touched.
The list of batches, which makes the batch part of the pipeline, is written last. A journal tells the next command what
to take back, should this one be killed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil

from shoepair.commands import dvc_records
from shoepair.commands.collection import archives, batch_list, drift, overview, withdrawn
from shoepair.data import documents
from shoepair.ingestion import rules, scan
from shoepair.ingestion.config import Normalize, Validate
from shoepair.runtime import parallel, params, paths
from shoepair.runtime.batches import BATCH_NAME, load_batches
from shoepair.runtime.errors import ShoepairError, escaped


def add(
    source: Path, name: str, *, alone: bool = False, dry_run: bool = False
) -> tuple[rules.Verdict, list[drift.Shift]]:
    """Check class photos, copy them to data/raw, track them with DVC, and list them as a batch.

    The source is a folder, or a zip or tar file, of photos in sub-folders `train`, `test_m`, `test_w`; those directly
    in it count as train. `alone` takes all other batches and sample classes from the list, so that real and drawn
    shoes do not mix.

    Returns:
        What `validate` will make of the batch, and how it looks beside the others.

    Raises:
        ShoepairError: the photos break a rule, or are those of a batch that is there; the name is taken or not a name;
            nothing was changed.
    """
    recover()
    _refuse_name(name)
    with archives.opened(source) as folder, parallel.here():
        edge = params.load(Normalize).edge
        verdict = rules.check(name, folder, scan.scan(folder), edge, params.load(Validate))
        _refuse_withdrawn(name, verdict.accepted)
        if not alone:
            _refuse_known(source, name, verdict.accepted)
        shifts = [] if alone else drift.compare(verdict.accepted, verdict.measured)
        if not dry_run:
            with _journal(name):
                _copy(folder, paths.raw(name))
                dvc_records.add(name)
                (batch_list.replace if alone else batch_list.append)(name)
    return verdict, shifts


def _refuse_name(name: str) -> None:
    batches = load_batches()
    if not BATCH_NAME.fullmatch(name):
        found = f"--name {name!r}, expected small letters, digits, '-' and '_', 63 at most, letter or digit first"
        raise ShoepairError(found, fix="choose another name")
    if name == paths.SYNTHETIC:
        found = f"--name {name!r}: the drawn students beside the class are called that"
        raise ShoepairError(found, fix="choose another name")
    if name in batches.batches or name in batches.samples:
        found = f"--name {name!r}: this batch is there already"
        raise ShoepairError(found, fix="choose another name; or, if it is the same class, just run `make repro`")
    if paths.raw(name).exists() or dvc_records.file(name).exists():
        found = f"--name {name!r}: {paths.raw(name)} is there, but {paths.BATCHES} does not list it"
        raise ShoepairError(found, fix="choose another name; or move the folder elsewhere and add it from there")


def _refuse_withdrawn(name: str, accepted: pd.DataFrame) -> None:
    """Photos of students who withdrew from a batch of this name do not come back unnoticed."""
    back = sorted(set(accepted["student"]) & set(withdrawn.load().get(name, [])))
    if back:
        found = f"--name {name!r}: {len(back)} of its students withdrew from a batch of this name"
        problems = [f"{student}: withdrawn in {paths.WITHDRAWN}" for student in back]
        raise ShoepairError(found, problems=problems, fix="take their photos out; or choose another name")


def _refuse_known(source: Path, name: str, accepted: pd.DataFrame) -> None:
    """No student and no photo may be in two batches: it could be in two splits then."""
    problems = overview.collisions(name, accepted)
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} with the batches that are there"
        found = f"{escaped(str(source))}: {count}, nothing was added"
        fix = "give each student one batch and one number; or `--alone` to work this batch and no other"
        raise ShoepairError(found, problems=problems, fix=fix)


@contextmanager
def _journal(name: str) -> Iterator[None]:
    """Write down what is being added; take it back if the block fails, leave the note if the process is killed."""
    documents.write_json(paths.JOURNAL, {"batch": name, "process": os.getpid()})
    try:
        yield
    except BaseException:  # also a key pressed: a half-copied class would be taken for a whole one
        _take_back(name)
        raise
    finally:
        paths.JOURNAL.unlink(missing_ok=True)


def recover() -> str:
    """Take back what a killed `shoepair add` left, and tell it; an empty text if there was nothing to do.

    Raises:
        ShoepairError: another `shoepair add` is at work.
    """
    if not paths.JOURNAL.is_file():
        return ""
    note = documents.read_json(paths.JOURNAL, f"delete {paths.JOURNAL}")
    name, process = str(note["batch"]), int(note["process"])
    if process != os.getpid() and psutil.pid_exists(process) and "add" in psutil.Process(process).cmdline():
        found = f"{paths.JOURNAL}: process {process} is adding batch {name!r}"
        raise ShoepairError(found, fix="wait for it, or stop it")
    done = ""
    if name not in load_batches().batches:
        _take_back(name)
        done = f"batch {name!r}: its `shoepair add` was killed; {paths.raw(name)} is taken back, add it again"
    paths.JOURNAL.unlink()
    return done


def _take_back(name: str) -> None:
    shutil.rmtree(paths.raw(name), ignore_errors=True)
    dvc_records.file(name).unlink(missing_ok=True)


def _copy(folder: Path, raw: Path) -> None:
    """The bytes of every regular file; no owner, rights or times, and no link that might lead elsewhere."""
    try:
        for path in scan.walk(folder):
            if path.is_file() and not path.is_symlink():
                target = raw / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    except OSError as error:
        found = f"{raw}: cannot be copied ({error.strerror}), nothing was added"
        raise ShoepairError(found, fix="make room or put the rights in order, then add it again") from None
