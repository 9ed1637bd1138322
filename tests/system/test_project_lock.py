"""Commands at the same time: they keep each other and DVC out, and a kill lets go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.commands import CLI, Run, use_real_programs
from support.field import wait_for, write_class

from shoepair.runtime import parameter_files, paths, project_lock
from shoepair.runtime.project_lock import ProjectInUseError


def listed() -> list[str]:
    """The batches of data/batches.yaml."""
    return list(parameter_files.read_yaml(paths.BATCH_LIST)["batches"])


@pytest.mark.parametrize("names", [("new", "new"), ("new", "other")], ids=" ".join)
def test_of_two_adds_at_once_one_is_refused(
    repository: Path, run: Run, tmp_path: Path, names: tuple[str, str]
) -> None:
    """Same name: not two classes in one folder. Same photos: not in two batches."""
    classes = [tmp_path / f"class {number}" for number in range(2)]
    for folder, student in zip(classes, ("u300", "u400" if names[0] == names[1] else "u300"), strict=True):
        write_class(folder, {"train": (student,)})
    starts = [
        subprocess.Popen([*CLI, "add", folder, "--name", name], stderr=subprocess.PIPE, text=True)
        for folder, name in zip(classes, names, strict=True)
    ]
    errors = [start.communicate()[1] for start in starts]
    statuses = [start.returncode for start in starts]
    assert sorted(statuses) == [0, 1], errors
    refused = errors[statuses.index(1)]
    assert refused.startswith("error: ")
    assert any(
        text in refused
        for text in ("the project is in use by `shoepair add` ", "exists already", "equals 'new'", "equals 'other'")
    )
    name, folder = names[statuses.index(0)], classes[statuses.index(0)]
    assert listed() == ["tiny", name]
    expected = sorted(path.name for path in folder.rglob("*.jpg"))
    assert sorted(path.name for path in paths.raw_path(name).rglob("*.jpg")) == expected
    assert sorted(path.name for path in (repository / "data/raw").iterdir()) == sorted(
        ["tiny", "tiny.dvc", name, f"{name}.dvc"]
    )
    assert run("dvc", "data", "status", "--json", "data/raw/tiny").stdout.strip() == "{}"


HOLDING = """
import time
from shoepair.runtime import project_lock
with project_lock.hold_alone("`shoepair add`"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def holder() -> Iterator[subprocess.Popen[str]]:
    """A process that holds the project alone."""
    process = subprocess.Popen([sys.executable, "-c", HOLDING], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("repository")
def test_holder_keeps_commands_stages_and_dvc_out_until_it_is_killed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_real_programs(monkeypatch)
    monkeypatch.setattr(project_lock, "WAIT_SECONDS", 0.0)
    with holder() as process:
        with pytest.raises(ProjectInUseError, match=f"in use by `shoepair add` .process {process.pid}.\n"):
            project_lock.hold_shared("stage ingest").__enter__()
        busy = run("dvc", "repro", "ingest", status=255).stderr
        assert "is busy, it is being blocked by:" in busy
        assert f"(PID {process.pid}): `shoepair add`" in busy
        assert not paths.manifest_path("tiny").exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
        with project_lock.hold_alone("`shoepair add`"):
            pass
    run("dvc", "repro", "-q", "ingest")


@pytest.mark.usefixtures("repository")
def test_dvc_command_between_two_stages_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.repo import Repo

    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0.1)
    with (
        Repo() as repo,
        repo.lock,
        pytest.raises(ProjectInUseError, match=r"in use by a `dvc` command\n  process \d+\nwait until"),
        project_lock.hold_alone("`shoepair add`"),
    ):
        pytest.fail("two at once")


@pytest.mark.usefixtures("repository")
def test_what_the_holder_starts_is_not_kept_out(run: Run) -> None:
    with project_lock.hold_alone("`shoepair add`"):
        run("dvc", "add", "-q", "data/raw/tiny")
        run("dvc", "data", "status", "data/raw/tiny")
        run("python", "-m", "stages.ingest", "tiny")
    assert paths.manifest_path("tiny").is_file()


@pytest.mark.usefixtures("project")
def test_worker_processes_of_a_killed_stage_do_not_keep_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked process has the file that is locked; were it to keep the lock, nobody could tell it from the stage."""
    monkeypatch.setattr(project_lock, "WAIT_SECONDS", 0.0)
    project_lock.DVC_FOLDER.mkdir()
    forking = HOLDING.replace("hold_alone", "hold_shared").replace("    print", "    os.fork()\n    print")
    process = subprocess.Popen(
        [sys.executable, "-c", f"import os\n{forking}"], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        process.kill()
        process.wait()
        wait_for(lambda: project_lock.find_holders() == [], 10)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the fork
        process.stdout.close()
