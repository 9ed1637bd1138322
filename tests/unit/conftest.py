"""What a unit test may not do: start a process."""

from __future__ import annotations

import multiprocessing.process
import subprocess
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def _no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every start of a process fail, so that no unit test waits for one."""

    def refuse(*_words: object, **_options: object) -> NoReturn:
        pytest.fail("a unit test starts no process: move it to tests/system, or test the function behind the command")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
