"""Git and DVC as this program asks them: what they say is told apart from what is not there.

The real ones are tried in `tests/system/test_places.py`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pygit2
import pytest
from dvc.exceptions import DvcException
from scmrepo.exceptions import SCMError

from shoepair.commands import version_control
from shoepair.commands.version_control import NoRepositoryError, VersionControlError

NONE = b"fatal: not a git repository (or any of the parent directories): .git\n"
UNBORN = b"fatal: your current branch 'main' does not have any commits yet\n"
OWNER = b"fatal: detected dubious ownership in repository at '/x'\nTo add an exception, call:\n\n\tgit config\n"
BROKEN = b"fatal: your current branch appears to be broken\n"
GONE = b"fatal: not a git repository: /y/.git/worktrees/x\n"


def answer(monkeypatch: pytest.MonkeyPatch, error: bytes = b"", output: bytes = b"") -> None:
    """Make git answer so."""

    def run(words: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(words, 128 if error else 0, output, error)

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize("error", [NONE, UNBORN])
def test_file_that_no_commit_can_have_is_not_there(monkeypatch: pytest.MonkeyPatch, error: bytes) -> None:
    answer(monkeypatch, error)
    assert version_control.read_committed(Path("dvc.lock")) is None


def test_file_that_the_commit_does_not_have_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, output=b"")
    assert version_control.read_committed(Path("dvc.lock")) is None


@pytest.mark.parametrize("error", [OWNER, BROKEN, GONE, b"", b"\xff"])
def test_git_that_fails_says_so_in_its_own_words_in_one_line(monkeypatch: pytest.MonkeyPatch, error: bytes) -> None:
    answer(monkeypatch, error or b" \n")
    with pytest.raises(VersionControlError) as failed:
        version_control.read_committed(Path("dvc.lock"))
    assert not isinstance(failed.value, NoRepositoryError)
    words = " ".join(error.decode(errors="replace").split()) or "without a message"
    assert failed.value.message == f"`git log` failed: {words}"
    assert ("safe.directory" in failed.value.fix) == (error == OWNER)


def test_git_that_is_not_installed_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_words: object, **_options: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(VersionControlError, match="git is not installed"):
        version_control.read_committed(Path("dvc.lock"))


def test_no_repository_has_no_tracked_files_and_no_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, NONE)
    assert version_control.list_tracked_files() == set()
    assert list(version_control.iter_blobs()) == []
    answer(monkeypatch, OWNER)
    with pytest.raises(VersionControlError, match="dubious ownership"):
        version_control.list_tracked_files()
    with pytest.raises(VersionControlError, match="dubious ownership"):
        list(version_control.iter_blobs())


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (DvcException("config file error:\n  remote"), "correct this"),
        (SCMError("/x is not a git repository"), "run `git init`; or `dvc config --local core.no_scm true`"),
        (pygit2.GitError("repository path '/x' is not owned by current user"), "git reads only repositories of their"),
    ],
)
def test_error_of_dvc_and_its_libraries_is_one_line(error: Exception, fix: str) -> None:
    with pytest.raises(VersionControlError) as failed, version_control.translate_errors("DVC"):
        raise error
    assert failed.value.message == f"DVC: {' '.join(str(error).split())}"
    assert failed.value.fix.startswith(fix)


def test_dvc_that_fails_has_its_lines_as_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, b"ERROR: /x is not a git repository\n\n")
    with pytest.raises(VersionControlError) as failed:
        version_control.run_dvc("add", "data/raw/a")
    assert failed.value.message == "`dvc add data/raw/a` failed"
    assert failed.value.problems == ("ERROR: /x is not a git repository",)
    assert "core.no_scm" in failed.value.fix
