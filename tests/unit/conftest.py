"""Guard: a unit test must not start a process."""

from __future__ import annotations

import multiprocessing.process
import subprocess
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def _no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every start of a process fail."""

    def refuse(*_words: object, **_options: object) -> NoReturn:
        pytest.fail(
            "a unit test must not start a process: move it to tests/system, or test the function behind the command"
        )

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
