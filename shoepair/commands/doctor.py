"""What killed commands leave behind, put right.

That is: stages that still run, an experiment's parameters, an empty dvc.lock, half-written files, a half-added batch.
DVC writes dvc.lock in place, so a kill in that moment leaves it empty and every later command fails on it. The last
commit has one; what was done since comes back from DVC's cache of runs. An experiment changes params.yaml before it
runs, so a killed one leaves values behind that nobody wrote there.
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
from shoepair.data import documents
from shoepair.ingestion.config import Normalize
from shoepair.runtime import files, params, paths
from shoepair.runtime.batches import load_batches
from shoepair.runtime.errors import ShoepairError

WRITTEN = ("data", "models", "plots", "reports", "metrics", "checkpoints")  # where stages write
PATIENCE = 5  # seconds that a process has for ending in its own way
EXPERIMENT = Path(".dvc/tmp/exps/run/workspace")  # DVC's notes on the experiment that runs in this workspace
READERS = (Path(".dvc/tmp/rwlock"), Path(".dvc/tmp/exps/rwlock"))
UNFINISHED = (1, 2)  # in these notes: being prepared, running


def repair() -> list[str]:
    """Put right what can be put right without losing anything; a line for each thing done.

    Raises:
        ShoepairError: another command is at work.
    """
    stopped = _stop_orphans()  # first: they still write
    done = [add.recover(), _lock(), _experiment()]
    return [*stopped, *filter(None, done), *_readers(), *_sweep()]


def _stop_orphans() -> list[str]:
    """Stop the stages whose `dvc` was killed: they would write beside, or over, what the next run writes."""
    orphans = dict(_orphans())
    for process in orphans:
        process.terminate()
    for process in psutil.wait_procs(orphans, PATIENCE)[1]:
        process.kill()
    psutil.wait_procs(orphans, PATIENCE)
    names = sorted(set(orphans.values()))  # a stage may be two processes: a shell, and what it runs
    return [f"stage {name}: still ran, though its `dvc` was killed; stopped" for name in names]


def _orphans() -> Iterator[tuple[psutil.Process, str]]:
    """Processes that DVC started for a stage of this project, or of its experiments, and that no DVC waits for."""
    here = Path.cwd()
    for process in psutil.process_iter():
        try:
            given = process.environ()
            if "DVC_STAGE" not in given or not Path(given.get("DVC_ROOT", "")).is_relative_to(here):
                continue
            if process.pid != os.getpid() and not any(_is_dvc(parent.cmdline()) for parent in process.parents()):
                yield process, given["DVC_STAGE"]
        except psutil.Error:  # it ended meanwhile, or is another user's
            continue


def _is_dvc(words: list[str]) -> bool:
    """Whether a process's command line is a `dvc` command, started by its own name or as `python -m dvc`."""
    return any(Path(word).name.startswith("dvc") for word in words[:3])


def _experiment() -> str:
    """params.yaml as of the last commit, where a killed experiment left its own; that one is kept aside.

    DVC's notes say whether an experiment runs in this workspace; it was killed if its process is gone.
    """
    run, process = EXPERIMENT / "workspace.run", EXPERIMENT / "workspace.json"
    fix = f"delete {EXPERIMENT}"
    note = documents.read_json(run, fix) if run.is_file() else {}
    if note.get("status") not in UNFINISHED:
        return ""
    number = documents.read_json(process, fix).get("pid") if process.is_file() else None
    if isinstance(number, int) and psutil.pid_exists(number) and _is_dvc(psutil.Process(number).cmdline()):
        return ""
    shutil.rmtree(EXPERIMENT)
    # It staged its params.yaml and dvc.lock; while they are staged and differ on disk, no other experiment can start.
    subprocess.run(["git", "reset", "--quiet"], capture_output=True, check=False)
    committed = subprocess.run(["git", "show", f"HEAD:{paths.PARAMS}"], capture_output=True, check=False)
    if committed.returncode or committed.stdout == paths.PARAMS.read_bytes():
        return ""
    kept = Path(".dvc/tmp") / paths.PARAMS.name
    shutil.copyfile(paths.PARAMS, kept)
    files.write_text(paths.PARAMS, committed.stdout.decode())
    return (
        f"{paths.PARAMS}: held the values of experiment {note.get('name')!r}, which was killed; it is again as in the"
        f" last commit: {_changed(kept)}; `cp {kept} {paths.PARAMS}` brings the other back"
    )


def _changed(kept: Path) -> str:
    """What was set back, in words."""
    try:
        rows = params.differences(paths.PARAMS, kept)
    except ShoepairError:  # DVC writes params.yaml in place too
        return "the other is torn"
    return ", ".join(f"{key} is {now}, was {then}" for key, now, then in rows) or "the comments"


def _lock() -> str:
    """dvc.lock as of the last commit, where the one on disk is no lock; without a commit it is made anew."""
    if not dvc_records.LOCK.is_file():
        return ""
    with suppress(ShoepairError):
        dvc_records.recorded("outs")
        return ""
    committed = subprocess.run(["git", "show", f"HEAD:{dvc_records.LOCK}"], capture_output=True, check=False)
    if committed.returncode:
        dvc_records.LOCK.unlink()
        return f"{dvc_records.LOCK}: was torn by a kill and is in no commit; deleted, `dvc repro` makes it anew"
    files.write_text(dvc_records.LOCK, committed.stdout.decode())
    return (
        f"{dvc_records.LOCK}: was torn by a kill; it is again as in the last commit, `dvc repro` brings it up to date"
    )


def _readers() -> Iterator[str]:
    """Delete DVC's note of who reads and writes what where it is torn: it would stop every later command."""
    for path in READERS:
        if path.is_file() and not _is_mapping(path) and not _dvc_is_at_work():
            path.unlink()
            yield f"{path}: was torn by a kill; deleted, DVC makes it anew"


def _is_mapping(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except ValueError:
        return False


def _dvc_is_at_work() -> bool:
    """Whether a `dvc` command runs in this folder: it may be writing just now."""
    here = str(Path.cwd())
    found = (process.info for process in psutil.process_iter(["cwd", "cmdline"]))  # None for what is another user's
    return any(each["cwd"] == here and _is_dvc(each["cmdline"] or []) for each in found)


def _sweep() -> Iterator[str]:
    """Delete half-written files and folders; no stage ever reads one."""
    for path in sorted(path for folder in WRITTEN for path in Path(folder).rglob(f".*{files.PART}")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        yield f"{path}: half-written by a killed stage, deleted"


def doctor() -> list[str]:
    """Hold params.yaml and data/batches.yaml against their forms, and the list against the folders; a line for each.

    Raises:
        ShoepairError: a file has a mistake, or a batch no photos to come from.
    """
    params.load(Normalize)  # and with it the whole file
    listed = load_batches()
    if not listed.batches:
        found = f"{paths.BATCHES}: no batches"
        raise ShoepairError(found, fix="put the name of a folder of data/raw into the list `batches`")
    homeless = [
        f"{name}: no folder {paths.raw(name)} and no sample class of this name"
        for name in listed.batches
        if name not in listed.samples and not paths.raw(name).is_dir() and not dvc_records.file(name).is_file()
    ]
    if homeless:
        found = f"{paths.BATCHES}: {len(homeless)} of {len(listed.batches)} batches have no photos"
        fix = "run `dvc pull`, or `shoepair add FOLDER --name NAME`, or take them from the list"
        raise ShoepairError(found, problems=homeless, fix=fix)
    return [
        f"{paths.PARAMS}: in order",
        f"{paths.BATCHES}: in order, with photos for {', '.join(listed.batches)}",
    ]
