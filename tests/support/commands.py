"""Run the real `dvc` and `git`, and programs of this Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import preloaded
from support.field import ROOT

CLI = ("python", "-m", "shoepair")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def ran(output: str) -> set[str]:
    """Return the stages that `dvc repro` ran, from its output."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def set_environment(patch: pytest.MonkeyPatch) -> None:
    """Put this Python's programs first on the PATH, `python` and `dvc` preloaded; set git's user; no statistics."""
    use_real_programs(patch)
    patch.setenv("PATH", f"{preloaded.folder()}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # commands write their outputs only
    patch.setenv("DVC_NO_ANALYTICS", "1")
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "t")
        patch.setenv(f"GIT_{role}_EMAIL", "t@example.org")


def use_real_programs(patch: pytest.MonkeyPatch) -> None:
    """Put this Python's programs first on the PATH, not preloaded: for tests that look at processes."""
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def command(*words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a real command, check its status, and return its output as text."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def put_under_version_control() -> None:
    """Put the project in the current directory under git and DVC, configured as here, with its batch tracked."""
    command("git", "init", "-q", "-b", "main")
    command("dvc", "init", "-q")
    shutil.copyfile(ROOT / ".dvc/config", ".dvc/config")
    command("dvc", "add", "-q", "data/raw/tiny")
    commit("Add the tiny class")


def commit(message: str) -> None:
    """Commit everything in the current directory."""
    command("git", "add", "--all")
    command("git", "commit", "-q", "-m", message)
