"""`shoepair doctor` after a kill: what it repairs, what it says, and that it touches nothing sound."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import CLI, Run, outputs

from shoepair import paths, repair

DOCTOR = (*CLI, "doctor")


@pytest.mark.parametrize("torn", ["", "schema: '2.0'\nstages:\n  ingest@tiny: {cmd: 'x", "\n"])
def test_torn_lock_comes_back_from_the_last_commit(repository: Path, run: Run, torn: str) -> None:
    run("dvc", "repro", "-q", "split")
    run("git", "add", "--all")
    run("git", "commit", "-q", "-m", "Split")
    lock = repository / "dvc.lock"
    sound = lock.read_bytes()
    lock.write_text(torn)
    assert "dvc.lock: was torn by a kill; it is again as in the last commit" in run(*DOCTOR).stdout
    assert lock.read_bytes() == sound
    assert "torn" not in run(*DOCTOR).stdout


@pytest.mark.usefixtures("repository")
def test_torn_lock_that_was_never_committed_is_made_anew(run: Run) -> None:
    run("dvc", "repro", "-q", "ingest")
    sound = Path("dvc.lock").read_bytes()
    Path("dvc.lock").write_bytes(b"")
    assert len(repair.repair()) == 1
    run("dvc", "repro", "-q", "ingest")
    assert Path("dvc.lock").read_bytes() == sound


@pytest.mark.usefixtures("repository")
def test_half_written_files_are_swept_and_sound_ones_are_not() -> None:
    half = paths.store("tiny").with_name(f".tiny.h5.a1b2{paths.PART}")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    before = sorted(path for path in Path("data").rglob("*") if path != half)
    assert repair.repair() == [f"{half}: half-written by a killed stage, deleted"]
    assert sorted(Path("data").rglob("*")) == before
    assert repair.repair() == []


@pytest.mark.slow
def test_pipeline_killed_at_any_moment_ends_as_if_nothing_had_happened(repository: Path, run: Run) -> None:
    start = time.monotonic()
    run("dvc", "repro", "-q")
    length = time.monotonic() - start
    wanted = outputs(repository)
    rng = random.Random(1)
    for _ in range(3):
        for path in (repository / ".dvc/cache/runs", repository / "dvc.lock"):
            subprocess.run(["rm", "-rf", str(path)], check=True)
        for root in ("data/table", "data/valid", "data/store", "models", "plots", "reports"):
            subprocess.run(["rm", "-rf", str(repository / root)], check=True)
        killed = subprocess.Popen(["dvc", "repro", "-q"], start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.05, 0.95) * length)
        os.killpg(killed.pid, signal.SIGKILL)  # dvc and its stage at once
        killed.wait()
        run(*DOCTOR)
        run("dvc", "repro", "-q")
        assert outputs(repository) == wanted
