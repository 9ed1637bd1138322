"""`shoepair doctor` after a kill: what it repairs, what it says, and that it touches nothing sound."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.commands import CLI, Run, ran, use_real_programs
from support.field import edit, outputs, wait_for

from shoepair.commands import doctor
from shoepair.runtime import atomic_files, paths, project_lock

DOCTOR = (*CLI, "doctor")


def repair() -> list[str]:
    return list(doctor.repair_project())


@pytest.mark.parametrize("torn", ["", "schema: '2.0'\nstages:\n  ingest@tiny: {cmd: 'x", "\n"])
def test_torn_lock_comes_back_from_the_last_commit(repository: Path, run: Run, torn: str) -> None:
    run("dvc", "repro", "-q", "split")
    run("git", "add", "--all")
    run("git", "commit", "-q", "-m", "Split")
    lock = repository / "dvc.lock"
    sound = lock.read_bytes()
    lock.write_text(torn)
    assert "dvc.lock: damaged by a kill; restored from the last commit" in run(*DOCTOR).stdout
    assert lock.read_bytes() == sound
    assert "damaged" not in run(*DOCTOR).stdout


@pytest.mark.usefixtures("repository")
def test_torn_lock_that_was_never_committed_is_made_anew(run: Run) -> None:
    run("dvc", "repro", "-q", "ingest")
    sound = Path("dvc.lock").read_bytes()
    Path("dvc.lock").write_bytes(b"")
    assert len(repair()) == 1
    run("dvc", "repro", "-q", "ingest")
    assert Path("dvc.lock").read_bytes() == sound


@pytest.mark.usefixtures("repository")
def test_half_written_files_are_swept_and_sound_ones_are_not() -> None:
    half = paths.store_path("tiny").with_name(f".tiny.h5.a1b2{atomic_files.PARTIAL_SUFFIX}")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    folder = Path("reports") / f".analysis{atomic_files.PARTIAL_SUFFIX}"
    (folder / "pictures").mkdir(parents=True)
    before = sorted(path for path in Path("data").rglob("*") if path != half)
    assert repair() == [f"{path}: half-written by a killed stage, deleted" for path in (half, folder)]
    assert sorted(Path("data").rglob("*")) == before
    assert not folder.exists()
    assert repair() == []


@pytest.mark.parametrize("torn", ["", '{"read": {"/a": [{"pid": 1, '])
@pytest.mark.usefixtures("repository")
def test_torn_note_of_readers_no_longer_stops_dvc(run: Run, torn: str) -> None:
    note = Path(".dvc/tmp/rwlock")
    run("dvc", "repro", "-q", "ingest")
    assert repair() == []
    note.write_text(torn)
    Path("stages/ingest.py").write_text(Path("stages/ingest.py").read_text() + "\n")
    assert "JSON structure is corrupted" in run("dvc", "repro", "ingest", status=255).stderr
    assert repair() == [f"{note}: damaged by a kill; deleted, DVC recreates it"]
    run("dvc", "repro", "-q", "ingest")


def stage_process(name: str) -> psutil.Process:
    """The process that DVC started for a stage of the project in the current directory, once it is there."""
    wanted = {"DVC_STAGE": name, "DVC_ROOT": str(Path.cwd())}
    for _ in range(1200):
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if wanted.items() <= process.environ().items():
                    return process
        time.sleep(0.05)
    pytest.fail(f"stage {name} did not start within a minute")


@contextlib.contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in the background, alone in its group; killed with all that it started."""
    process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


API = "from dvc.repo import Repo; Repo().reproduce('train@cnn')"


@pytest.mark.parametrize("words", [("dvc", "repro", "-q"), ("python", "-c", API)], ids=["dvc", "api"])
def test_doctor_and_forget_leave_a_running_stage_alone_and_a_stage_ends_with_its_dvc(
    trained: Path, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    use_real_programs(monkeypatch)
    edit(trained / "params.yaml", "epochs: 2 ", "epochs: 2000 ")
    part = trained / "models/.cnn.json.x1.part"
    raw = sorted(paths.raw_path("tiny").rglob("*"))
    with started(*words) as dvc:
        wait_for(lambda: bool(project_lock.find_holders()))
        (holder,) = project_lock.find_holders()
        stage = psutil.Process(holder.process)
        part.write_bytes(b"being written")
        in_use = f"the project is in use by stage train@cnn (process {stage.pid})"
        assert f"`shoepair doctor`: {in_use}; nothing was repaired\n" in run(*DOCTOR).stdout
        refused = run(*CLI, "forget", "u005", "--batch", "tiny", status=1).stderr
        assert refused.startswith(f"error: `shoepair forget`: {in_use}\n")
        assert part.is_file()
        assert sorted(paths.raw_path("tiny").rglob("*")) == raw
        assert stage.is_running()
        dvc.kill()  # dvc alone
        dvc.wait()
        assert f"{part.relative_to(trained)}: half-written by a killed stage, deleted" in run(*DOCTOR).stdout
        wait_for(lambda: is_gone(stage))  # the lock is free a moment before Python has ended
        assert not part.exists()


def test_parameters_of_a_killed_experiment_are_set_back_and_kept_aside(
    trained: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_real_programs(monkeypatch)
    sound, lock = (trained / "params.yaml").read_bytes(), (trained / "dvc.lock").read_bytes()
    with started("dvc", "exp", "run", "-S", "epochs=2000", "-n", "long") as dvc:
        stage_process("train@cnn")
        assert "experiment" not in run(*DOCTOR).stdout
        dvc.kill()
        dvc.wait()
        changed = (trained / "params.yaml").read_bytes()
        assert changed != sound
        said = run(*DOCTOR).stdout
    assert "params.yaml: had the values of experiment 'long', which was killed" in said
    assert "epochs is 2, was 2000" in said
    assert (trained / "params.yaml").read_bytes() == sound
    assert (trained / ".dvc/tmp/shoepair/params.yaml").read_bytes() == changed
    assert ran(run("dvc", "repro").stdout) == set()
    assert (trained / "dvc.lock").read_bytes() == lock
    assert "experiment" not in run(*DOCTOR).stdout
    run("dvc", "exp", "run", "-q", "-S", "evaluate.resamples=200", "-n", "next")
    assert "next" in run("dvc", "exp", "show", "--md").stdout


@pytest.mark.parametrize(
    ("stage", "place", "own"),
    [
        ("normalize@tiny", "data/store", ("data/store/",)),
        ("train@cnn", "models", ("models/", "plots/loss/cnn.csv", "plots/training/cnn.csv")),
    ],
)
def test_disk_that_is_full_loses_nothing(
    trained: Path, run: Run, stage: str, place: str, own: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_real_programs(monkeypatch)  # in a namespace of their own
    apart = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c"]
    small = f"mount -t tmpfs -o size=16k tmpfs {place}"
    if not shutil.which("unshare") or subprocess.run([*apart, small], capture_output=True, check=False).returncode:
        pytest.skip("no small disk: this system lets nobody mount one (unshare, of util-linux)")
    wanted = outputs(trained)
    shutil.rmtree(trained / ".dvc/cache/runs")
    with (trained / f"stages/{stage.partition('@')[0]}.py").open("a") as file:
        file.write("\n")
    before = {path: data for path, data in wanted.items() if not path.startswith(own)}  # DVC clears a stage's own outs
    failed = subprocess.run([*apart, f"{small} && dvc repro -s {stage}"], capture_output=True, text=True, check=False)
    assert failed.returncode == 255, failed.stdout + failed.stderr
    assert "No space left on device" in failed.stderr
    assert "error: " in failed.stderr
    assert "Traceback" not in failed.stderr
    assert {path: data for path, data in outputs(trained).items() if not path.startswith(own)} == before
    run("dvc", "repro", "-q")
    got = outputs(trained)
    assert got.pop("dvc.lock") != wanted.pop("dvc.lock"), "the stage's code did not change"
    assert got == wanted
