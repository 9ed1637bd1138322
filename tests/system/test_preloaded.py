"""Programs that the tests start as forks: they end, print and see what the real ones do."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.commands import Run
from support.field import wait_for

REAL = Path(sys.executable).parent


@pytest.mark.parametrize(
    "words",
    [
        ("python", "-m", "stages.train"),
        ("python", "-m", "stages.train", "nothing"),
        ("python", "-m", "shoepair", "metrics"),
        ("python", "-m", "shoepair", "--no-such-option"),
        ("python", "-c", "import sys; sys.exit(7)"),
        ("shoepair", "--help"),
        ("dvc", "stage", "list", "--all"),
        ("dvc", "status", "nothing"),
    ],
)
def test_fork_prints_and_ends_as_the_real_program(words: tuple[str, ...], repository: Path, run: Run) -> None:
    assert repository.is_dir()
    real = subprocess.run([str(REAL / words[0]), *words[1:]], capture_output=True, text=True, check=False)
    done = run(*words, status=real.returncode)
    assert (done.stdout, done.stderr) == (real.stdout, real.stderr)


def write_stage(folder: Path, code: str) -> None:
    (folder / "stages/probe.py").write_text(code)


def test_fork_runs_the_code_of_its_folder_in_its_environment(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_stage(
        project, "import os, sys, shoepair\nprint(shoepair.__file__, os.environ['WHAT'], 'torch' in sys.modules)"
    )
    monkeypatch.setenv("WHAT", "this")
    assert run("python", "-m", "stages.probe").stdout.split() == [
        str(project / "shoepair/__init__.py"),
        "this",
        "True",
    ]
    monkeypatch.setenv("PYTHONHASHSEED", "1")  # what steers Python has a real one
    assert run("python", "-m", "stages.probe").stdout.split()[2] == "False"


def test_fork_writes_with_the_mask_of_its_client(project: Path, run: Run) -> None:
    write_stage(project, "from pathlib import Path\nPath('written').touch()")
    run("sh", "-c", "umask 077; python -m stages.probe")
    assert (project / "written").stat().st_mode & 0o777 == 0o600


def test_fork_ends_by_a_signal_and_with_its_client(project: Path, run: Run) -> None:
    write_stage(project, "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")
    run("python", "-m", "stages.probe", status=-signal.SIGTERM)
    write_stage(project, "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    client = subprocess.Popen(("python", "-m", "stages.probe"), stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    fork = psutil.Process(int(client.stdout.readline()))
    assert fork.pid != client.pid
    client.kill()
    client.communicate()
    wait_for(lambda: not fork.is_running(), seconds=30)
