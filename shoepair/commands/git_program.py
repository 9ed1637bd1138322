"""How this program asks git: in the project's folder, with failures told apart from "not there".

Apart from `version_control`, which loads DVC: a command that asks git alone should not wait for that.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from shoepair.runtime import project_lock
from shoepair.runtime.errors import ShoepairError

NO_REPOSITORY = "not a git repository (or any"  # git's words; of a damaged one it says something else
NO_REPOSITORY_FIX = "run `git init`, `git add --all` and `git commit`; then it can tell versions apart"


class VersionControlError(ShoepairError):
    """Git or DVC failed, so nothing is known about what it was asked."""


class NoRepositoryError(VersionControlError):
    """The project lies in no git repository: downloaded as an archive, for example."""


def run_git(*arguments: str) -> bytes:
    """Run git in the project's folder and return its output.

    Raises:
        NoRepositoryError: the project lies in no git repository.
        VersionControlError: git failed, or is not installed.
    """
    words = ["git", "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(words, capture_output=True, check=False, env=os.environ | {"LC_ALL": "C"})
    except FileNotFoundError:
        message = "git is not installed, or not on the PATH"
        raise VersionControlError(message, fix="install git, then run the command again") from None
    if done.returncode:
        raise _git_error(arguments[0], done.stderr.decode(errors="replace"))
    return done.stdout


def list_git_lines(*arguments: str) -> list[str]:
    """Run git in the project's folder and return the lines of its output."""
    return run_git(*arguments).decode(errors="surrogateescape").splitlines()


def _git_error(command: str, text: str) -> VersionControlError:
    """Return the error of a git command that failed with this text."""
    if NO_REPOSITORY in text:
        return NoRepositoryError(f"{Path.cwd()}: in no git repository", fix=NO_REPOSITORY_FIX)
    message = f"`git {command}` failed: {to_one_line(text) or 'without a message'}"
    return VersionControlError(message, fix=advise(text))


def advise(text: str) -> str:
    """Return what to do about a message of git, or of a library for git."""
    if project_lock.NO_GIT in text:
        return project_lock.NO_GIT_FIX
    if "dubious ownership" in text or "not owned by" in text:  # of git, of libgit2
        return "git reads only repositories of their user: run `git config --global --add safe.directory FOLDER` once"
    return "correct this, then run the command again; `git status` and `dvc status` show whether they work here"


def to_one_line(text: str) -> str:
    """Return a text with every run of blanks and line ends as one blank."""
    return " ".join(text.split())
