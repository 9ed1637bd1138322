"""`shoepair doctor`: repair what killed commands leave behind, and check the configuration.

Repaired are damaged records of DVC, a half-added batch, partial files, and an experiment's parameters. DVC writes
dvc.lock and .dvc files in place, so a kill can leave them empty, and every later command fails. The last commit has
copies; DVC's run cache restores what was done since. An experiment changes params.yaml before it runs, so a killed one
leaves its values there. While anybody uses the project, nothing is repaired.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from shoepair.commands import dvc_records, version_control
from shoepair.commands.collection import add_journal, temporary_folders
from shoepair.commands.version_control import NoRepositoryError, VersionControlError
from shoepair.ingestion.config import NormalizeConfig
from shoepair.runtime import atomic_files, dvc_watch, json_files, parameter_files, params, paths, project_lock
from shoepair.runtime.batches import load_batch_lists
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.project_lock import ProjectInUseError

OUTPUT_FOLDERS = ("data", "models", "plots", "reports", "metrics", "checkpoints")  # where stages write
BACKUP_FOLDER = Path(".dvc/tmp/shoepair")  # of damaged files that were replaced
EXPERIMENT_STATE = Path(".dvc/tmp/exps/run/workspace")  # DVC's state of the experiment in this workspace
RWLOCKS = (dvc_watch.DVC_LOCKS, Path(".dvc/tmp/exps/rwlock"))
CLOCK_SECONDS = 10  # by which the start of a process may seem later than it was
UNFINISHED_STATUSES = (1, 2)  # in this state: being prepared, running


class Repair(NamedTuple):
    """One repair: the line that says what it does, and what does it."""

    line: str
    run: Callable[[], object]


def repair_project() -> Iterator[str]:
    """Repair what killed commands left behind, without losing data; yield a line before each repair.

    Raises:
        ShoepairError: the folder is no DVC project, or its disk has no locks; or something is damaged that only git
            could tell how to repair, and git fails: the rest is repaired before.
    """
    failures: list[VersionControlError] = []
    try:
        with project_lock.hold_alone("`shoepair doctor`", repairing=True):
            for repair in _find_repairs(failures):
                yield repair.line
                repair.run()
    except ProjectInUseError as error:
        yield from (f"{error.message}; nothing was repaired", *error.problems)
        yield from (f"if it is still so afterwards: {repair.line}" for repair in _find_repairs(failures))
    if failures:
        raise failures[0]


def _find_repairs(failures: list[VersionControlError]) -> Iterator[Repair]:
    """Yield what has to be repaired, each when the one before is done; note what git was asked about in vain."""
    yield from _find_damaged_rwlocks()
    if line := add_journal.describe_killed_add():
        yield Repair(line, add_journal.undo_killed_add)
    for folder in temporary_folders.find_abandoned_folders():
        yield Repair(f"{folder}: photos of a `shoepair add` that was killed; deleted", partial(shutil.rmtree, folder))
    yield from _find_damaged_records(failures)
    yield from _find_partial_files()
    yield from _find_killed_experiment(failures)


def _find_damaged_rwlocks() -> Iterator[Repair]:
    """Find damaged lock files of DVC, which would stop every later command."""
    for path in RWLOCKS:
        if path.is_file() and not _is_json_object(path):
            yield Repair(f"{path}: damaged by a kill; deleted, DVC recreates it", path.unlink)


def _is_json_object(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except ValueError:
        return False


def _find_damaged_records(failures: list[VersionControlError]) -> Iterator[Repair]:
    """Find damaged files dvc.lock and data/raw/<batch>.dvc; they come from the last commit, or are deleted."""
    for path in (dvc_records.LOCK_PATH, *sorted(paths.RAW_FOLDER.glob("*.dvc"))):
        if not path.is_file() or _is_record(path, path.read_bytes()):
            continue
        is_lock = path == dvc_records.LOCK_PATH
        after = "`dvc repro` updates it" if is_lock else f"`dvc add {path.with_suffix('')}` records the photos there"
        after += f"; a copy is in {BACKUP_FOLDER}" if path.stat().st_size else ""
        try:
            committed = version_control.read_committed(path)
        except VersionControlError as error:
            failures.append(_left_alone(path, "damaged by a kill", error))
            continue
        if committed is not None and _is_record(path, committed):
            line = f"{path}: damaged by a kill; restored from the last commit, {after}"
            yield Repair(line, partial(_replace, path, committed))
        else:
            line = f"{path}: damaged by a kill and in no commit; deleted, {after.replace('updates', 'recreates')}"
            yield Repair(line, partial(_replace, path, None))


def _is_record(path: Path, content: bytes) -> bool:
    """Return whether DVC can read this content of a record."""
    from dvc import schema  # imported late, like DVC's serializer: other commands do not need them
    from dvc.exceptions import DvcException
    from dvc.utils.serialize import parse_yaml
    from voluptuous import Invalid

    is_lock = path == dvc_records.LOCK_PATH
    try:
        document: Any = parse_yaml(content.decode(), path)
        (schema.COMPILED_LOCKFILE_SCHEMA if is_lock else schema.COMPILED_SINGLE_STAGE_SCHEMA)(document)
    except (DvcException, Invalid, UnicodeDecodeError, ValueError, TypeError):
        return False
    stages = document.get("stages", {}).values() if is_lock else [document]
    # A record that ends within one of these texts fits the schema, and DVC fails on it without a reason.
    has_digests = all(
        entry.get("hash", "md5") == "md5" and isinstance(entry.get("md5", ""), str)
        for stage in stages
        for entry in (*stage.get("deps", ()), *stage.get("outs", ()))
    )
    return has_digests and (is_lock or bool(document.get("outs")))


def _left_alone(path: Path, state: str, error: VersionControlError) -> VersionControlError:
    message = f"{path}: {state}, and left as it is: what the last commit has is unknown ({error.message})"
    return VersionControlError(message, fix=error.fix)


def _replace(path: Path, content: bytes | None) -> None:
    """Replace a file, or delete it; keep a copy."""
    BACKUP_FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, BACKUP_FOLDER / path.name)
    if content is None:
        path.unlink()
    else:
        with atomic_files.atomic_write(path) as part:
            part.write_bytes(content)


def _find_partial_files() -> Iterator[Repair]:
    """Find half-written files and folders, which no stage reads; what a class contains is none of these."""
    pattern = f".*{atomic_files.PARTIAL_SUFFIX}"
    for path in sorted(path for folder in OUTPUT_FOLDERS for path in Path(folder).rglob(pattern)):
        if path.is_relative_to(paths.RAW_FOLDER) and path.parent != paths.RAW_FOLDER:
            continue
        delete = shutil.rmtree if path.is_dir() and not path.is_symlink() else Path.unlink
        yield Repair(f"{path}: half-written by a killed stage, deleted", partial(delete, path))


def _find_killed_experiment(failures: list[VersionControlError]) -> Iterator[Repair]:
    """Find an experiment that was killed in this workspace, and left its values in params.yaml.

    DVC's state files say whether an experiment runs in this workspace; it was killed if its process is gone.
    """
    run, process = EXPERIMENT_STATE / "workspace.run", EXPERIMENT_STATE / "workspace.json"
    fix = f"delete {EXPERIMENT_STATE}"
    state = json_files.read_json(run, fix) if run.is_file() else {}
    if state.get("status") not in UNFINISHED_STATUSES or (process.is_file() and _is_alive(process, fix)):
        return
    try:
        committed = version_control.read_committed(paths.PARAMS)
    except VersionControlError as error:
        failures.append(_left_alone(paths.PARAMS, "perhaps with the values of an experiment that was killed", error))
        return
    if committed is None or committed == paths.PARAMS.read_bytes():
        line = f"{EXPERIMENT_STATE}: of experiment {state.get('name')!r}, which was killed; deleted"
        yield Repair(line, _forget_experiment)
        return
    backup = BACKUP_FOLDER / paths.PARAMS.name
    line = (
        f"{paths.PARAMS}: had the values of experiment {state.get('name')!r}, which was killed; restored from the last"
        f" commit: {_describe_reverted_values(committed)}; `cp {backup} {paths.PARAMS}` undoes this"
    )
    yield Repair(line, partial(_restore_params, committed))


def _is_alive(process: Path, fix: str) -> bool:
    """Return whether the process that this file names still lives; one that started later only has its number."""
    pid = json_files.read_json(process, fix).get("pid")
    try:
        return isinstance(pid, int) and psutil.Process(pid).create_time() <= process.stat().st_mtime + CLOCK_SECONDS
    except (psutil.Error, ValueError):  # there is none, or the number is impossible
        return False


def _restore_params(committed: bytes) -> None:
    _replace(paths.PARAMS, committed)
    _forget_experiment()


def _forget_experiment() -> None:
    shutil.rmtree(EXPERIMENT_STATE)
    # It staged its params.yaml and dvc.lock; while they are staged and differ on disk, no other experiment can start.
    with suppress(NoRepositoryError):
        version_control.run_git("reset", "--quiet", "--", ".")  # no other project's files


def _describe_reverted_values(committed: bytes) -> str:
    """Return the values that the last commit has instead of those of params.yaml, as text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / paths.PARAMS.name
        path.write_bytes(committed)
        try:
            rows = parameter_files.list_yaml_differences(path, paths.PARAMS)
        except ShoepairError:  # DVC writes params.yaml in place too
            return "the file is damaged"
    return ", ".join(f"{key} is {now}, was {then}" for key, now, then in rows) or "the comments"


def check_configuration() -> list[str]:
    """Check params.yaml and data/batches.yaml, and that every listed batch has photos; return one line per check.

    Raises:
        ShoepairError: a file has a mistake, or a batch has no photos.
    """
    params.load(NormalizeConfig)  # checks the whole file
    listed = load_batch_lists()
    if not listed.batches:
        message = f"{paths.BATCH_LIST}: no batches"
        raise ShoepairError(message, fix="add the name of a folder of data/raw to the list `batches`")
    problems = [
        f"{name}: no folder {paths.raw_path(name)} and no synthetic class of this name"
        for name in listed.batches
        if name not in listed.synthetic_classes
        and not paths.raw_path(name).is_dir()
        and not dvc_records.dvc_file_path(name).is_file()
    ]
    if problems:
        message = f"{paths.BATCH_LIST}: {len(problems)} of {len(listed.batches)} batches have no photos"
        fix = "run `dvc pull`, or `shoepair add FOLDER --name NAME`, or remove them from the list"
        raise ShoepairError(message, problems=problems, fix=fix)
    return [
        f"{paths.PARAMS}: valid",
        f"{paths.BATCH_LIST}: valid, with photos for {', '.join(listed.batches)}",
    ]
