"""Ctrl-C, as a terminal sends it to a command and all its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.commands import Run, use_real_programs
from support.field import edit, wait_for, write_class

STAGE = ("-m", "stages.validate", "tiny")
ADD = ("-m", "shoepair", "add", "new", "--name", "new")
PARALLEL = Path("shoepair/runtime/parallel/local.py")
TASKS = Path("shoepair/ingestion/parallel_decoding.py")
RESULTS = {130, -signal.SIGINT}  # Python itself ends by the signal, if it met an `exec` of a library; a shell sees 130


@pytest.mark.parametrize(
    ("words", "line"),
    [(STAGE, "stopped; `dvc repro` goes on from here"), (ADD, "stopped; nothing was added")],
    ids=["stage", "command"],
)
@pytest.mark.parametrize("moment", ["importing", "working"])
def test_ctrl_c_is_one_line_at_any_moment(
    repository: Path, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], line: str, moment: str
) -> None:
    """Photos are decoded in worker processes, which would print their own tracebacks."""
    run("python", "-m", "stages.ingest", "tiny")
    use_real_programs(monkeypatch)
    edit(PARALLEL, "MAX_THREAD_TASKS = 64", "MAX_THREAD_TASKS = 0")
    edit(TASKS, "PHOTOS_PER_TASK = 48", "PHOTOS_PER_TASK = 1")
    write_class(Path("new"), {"train": ("u300", "u301")})
    before = sorted((repository / "data").rglob("*"))
    process = psutil.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True, start_new_session=True)
    if moment == "importing":
        wait_for(lambda: any("numpy" in loaded.path for loaded in process.memory_maps()))
    else:
        wait_for(lambda: len(process.children()) > 2)  # workers, and Python's own process beside them
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate()[1]
    assert error == f"{line}\n"
    assert process.returncode in RESULTS
    assert sorted((repository / "data").rglob("*")) == before
