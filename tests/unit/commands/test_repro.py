"""`shoepair repro`: which Python the stages get, and how the end of DVC is told; without the real DVC."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from shoepair.commands import repro
from shoepair.runtime.errors import ShoepairError


class Process:
    """A process that ends after some presses of Ctrl-C."""

    def __init__(self, status: int, interruptions: int) -> None:
        self.status, self.interruptions, self.terminated = status, interruptions, False

    def wait(self) -> int:
        if self.interruptions and not self.terminated:
            self.interruptions -= 1
            raise KeyboardInterrupt
        return self.status

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.terminated = True


def start(monkeypatch: pytest.MonkeyPatch, status: int, interruptions: int = 0) -> None:
    monkeypatch.setattr(repro, "stage_environment", dict)
    monkeypatch.setattr(subprocess, "Popen", lambda *_words, **_options: Process(status, interruptions))


def test_dvc_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    start(monkeypatch, 0)
    repro.run_dvc_repro()
    start(monkeypatch, 255)
    with pytest.raises(ShoepairError, match=r"`dvc repro` failed with exit status 255: see its messages above\n"):
        repro.run_dvc_repro()


def test_at_ctrl_c_dvc_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    start(monkeypatch, 130, interruptions=2)
    with pytest.raises(KeyboardInterrupt):
        repro.run_dvc_repro()


@pytest.mark.parametrize(
    ("right", "is_changed"), [("first on the path", False), ("in this environment", True), ("nowhere", None)]
)
def test_stages_get_this_python(monkeypatch: pytest.MonkeyPatch, right: str, is_changed: bool | None) -> None:
    own = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", "/elsewhere")

    def ask(words: list[str], env: Mapping[str, str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        is_right = right == "first on the path" or (right == "in this environment" and env["PATH"].startswith(own))
        return subprocess.CompletedProcess(words, 0, (sys.prefix if is_right else "/usr").encode() + b"\r\n", b"")

    monkeypatch.setattr(shutil, "which", lambda name, path: f"{path}/{name}")
    monkeypatch.setattr(subprocess, "run", ask)
    if is_changed is None:
        with pytest.raises(ShoepairError, match="no program `python`, with which DVC starts the stages"):
            repro.stage_environment()
    else:
        expected = os.pathsep.join([own, "/elsewhere"]) if is_changed else "/elsewhere"
        assert repro.stage_environment()["PATH"] == expected
