"""What libraries print for developers, in a stage, its worker processes, and a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import Run, use_real_programs
from support.field import edit

NOISE = """
import logging
import warnings

warnings.simplefilter("always")
warnings.warn("noise of a library", DeprecationWarning)
logging.getLogger("PIL").warning("noise of a library")
"""


def start(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | variables
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)


def test_nothing_of_a_library_reaches_the_terminal(
    repository: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("python", "-m", "stages.ingest", "tiny")
    use_real_programs(monkeypatch)
    edit(Path("shoepair/runtime/parallel/local.py"), "MAX_THREAD_TASKS = 64", "MAX_THREAD_TASKS = 0")
    edit(Path("shoepair/ingestion/parallel_decoding.py"), "PHOTOS_PER_TASK = 48", "PHOTOS_PER_TASK = 24")
    module = repository / "shoepair/data/naming.py"  # every process imports it
    module.write_text(module.read_text() + NOISE)
    for words in (("stages.validate", "tiny"), ("shoepair", "batches")):
        done = start("-m", *words)
        assert (done.returncode, done.stderr) == (0, "")
    assert "noise of a library" in start("-m", "shoepair", "batches", PYTHONWARNINGS="default").stderr
