"""`shoepair doctor`: repair what killed commands leave behind, and check the configuration.

Repaired are stages that still run, an experiment's parameters, a damaged dvc.lock, partial files, a half-added batch.
DVC writes dvc.lock in place, so a kill can leave it empty, and every later command fails. The last commit has a copy;
DVC's run cache restores what was done since. An experiment changes params.yaml before it runs, so a killed one leaves
its values there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from shoepair.commands import dvc_records
from shoepair.commands.collection import add
from shoepair.data import json_files
from shoepair.ingestion.config import NormalizeConfig
from shoepair.runtime import atomic_files, params, paths
from shoepair.runtime.batches import load_batch_lists
from shoepair.runtime.errors import ShoepairError

OUTPUT_FOLDERS = ("data", "models", "plots", "reports", "metrics", "checkpoints")  # where stages write
TERMINATE_SECONDS = 5  # seconds from terminate to kill
EXPERIMENT_STATE = Path(".dvc/tmp/exps/run/workspace")  # DVC's state of the experiment in this workspace
RWLOCKS = (Path(".dvc/tmp/rwlock"), Path(".dvc/tmp/exps/rwlock"))
UNFINISHED_STATUSES = (1, 2)  # in this state: being prepared, running


def repair_project() -> list[str]:
    """Repair what killed commands left behind, without losing data; return one line per repair.

    Raises:
        ShoepairError: another `shoepair add` is running.
    """
    stopped = _stop_orphans()  # first: they still write
    repairs = [add.undo_killed_add(), _restore_dvc_lock(), _restore_params()]
    return [*stopped, *filter(None, repairs), *_delete_broken_rwlocks(), *_delete_partial_files()]


def _stop_orphans() -> list[str]:
    """Stop the stages whose `dvc` was killed, since they may overwrite what the next run writes."""
    orphans = dict(_find_orphans())
    for process in orphans:
        process.terminate()
    for process in psutil.wait_procs(orphans, TERMINATE_SECONDS)[1]:
        process.kill()
    psutil.wait_procs(orphans, TERMINATE_SECONDS)
    names = sorted(set(orphans.values()))  # a stage may be two processes: a shell and its child
    return [f"stage {name}: still running although its `dvc` was killed; stopped" for name in names]


def _find_orphans() -> Iterator[tuple[psutil.Process, str]]:
    """Yield processes of stages of this project, or of its experiments, that have no `dvc` parent."""
    project = Path.cwd()
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            if "DVC_STAGE" not in variables or not Path(variables.get("DVC_ROOT", "")).is_relative_to(project):
                continue
            has_dvc_parent = any(_is_dvc_command(parent.cmdline()) for parent in process.parents())
            if process.pid != os.getpid() and not has_dvc_parent:
                yield process, variables["DVC_STAGE"]
        except psutil.Error:  # it has ended, or belongs to another user
            continue


def _is_dvc_command(command_line: list[str]) -> bool:
    """Return whether a command line is a `dvc` command, started as `dvc` or as `python -m dvc`."""
    return any(Path(word).name.startswith("dvc") for word in command_line[:3])


def _restore_params() -> str:
    """Restore params.yaml from the last commit if a killed experiment changed it; keep a backup.

    DVC's state files say whether an experiment runs in this workspace; it was killed if its process is gone.
    """
    run, process = EXPERIMENT_STATE / "workspace.run", EXPERIMENT_STATE / "workspace.json"
    fix = f"delete {EXPERIMENT_STATE}"
    state = json_files.read_json(run, fix) if run.is_file() else {}
    if state.get("status") not in UNFINISHED_STATUSES:
        return ""
    pid = json_files.read_json(process, fix).get("pid") if process.is_file() else None
    if isinstance(pid, int) and psutil.pid_exists(pid) and _is_dvc_command(psutil.Process(pid).cmdline()):
        return ""
    shutil.rmtree(EXPERIMENT_STATE)
    # It staged its params.yaml and dvc.lock; while they are staged and differ on disk, no other experiment can start.
    subprocess.run(["git", "reset", "--quiet"], capture_output=True, check=False)
    committed = subprocess.run(["git", "show", f"HEAD:{paths.PARAMS}"], capture_output=True, check=False)
    if committed.returncode or committed.stdout == paths.PARAMS.read_bytes():
        return ""
    backup = Path(".dvc/tmp") / paths.PARAMS.name
    shutil.copyfile(paths.PARAMS, backup)
    atomic_files.write_text(paths.PARAMS, committed.stdout.decode())
    return (
        f"{paths.PARAMS}: had the values of experiment {state.get('name')!r}, which was killed; restored from the last"
        f" commit: {_describe_reverted_values(backup)}; `cp {backup} {paths.PARAMS}` undoes this"
    )


def _describe_reverted_values(backup_path: Path) -> str:
    """Return the restored values as text."""
    try:
        rows = params.list_yaml_differences(paths.PARAMS, backup_path)
    except ShoepairError:  # DVC writes params.yaml in place too
        return "the backup is damaged"
    return ", ".join(f"{key} is {now}, was {then}" for key, now, then in rows) or "the comments"


def _restore_dvc_lock() -> str:
    """Restore a damaged dvc.lock from the last commit; delete it if no commit has one."""
    if not dvc_records.LOCK_PATH.is_file():
        return ""
    with suppress(ShoepairError):
        dvc_records.read_digest_by_path("outs")
        return ""
    committed = subprocess.run(["git", "show", f"HEAD:{dvc_records.LOCK_PATH}"], capture_output=True, check=False)
    if committed.returncode:
        dvc_records.LOCK_PATH.unlink()
        return f"{dvc_records.LOCK_PATH}: damaged by a kill and in no commit; deleted, `dvc repro` recreates it"
    atomic_files.write_text(dvc_records.LOCK_PATH, committed.stdout.decode())
    return f"{dvc_records.LOCK_PATH}: damaged by a kill; restored from the last commit, `dvc repro` updates it"


def _delete_broken_rwlocks() -> Iterator[str]:
    """Delete damaged lock files of DVC, which would stop every later command."""
    for path in RWLOCKS:
        if path.is_file() and not _is_json_object(path) and not _dvc_is_running():
            path.unlink()
            yield f"{path}: damaged by a kill; deleted, DVC recreates it"


def _is_json_object(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except ValueError:
        return False


def _dvc_is_running() -> bool:
    """Return whether a `dvc` command runs in this folder and may be writing."""
    folder = str(Path.cwd())
    infos = (process.info for process in psutil.process_iter(["cwd", "cmdline"]))  # None if another user's
    return any(info["cwd"] == folder and _is_dvc_command(info["cmdline"] or []) for info in infos)


def _delete_partial_files() -> Iterator[str]:
    """Delete half-written files and folders, which no stage reads."""
    pattern = f".*{atomic_files.PARTIAL_SUFFIX}"
    for path in sorted(path for folder in OUTPUT_FOLDERS for path in Path(folder).rglob(pattern)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        yield f"{path}: half-written by a killed stage, deleted"


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
