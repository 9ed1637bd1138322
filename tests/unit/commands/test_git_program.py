"""What git says when it fails becomes one line, with what to do; calls of git are in test_version_control.py."""

from __future__ import annotations

import subprocess

import pytest

from shoepair.commands import git_program


@pytest.mark.parametrize(
    ("text", "error", "fix"),
    [
        ("fatal: not a git repository (or any parent)", git_program.NoRepositoryError, "git init"),
        ("fatal: detected dubious ownership\nin repository", git_program.VersionControlError, "safe.directory"),
        ("fatal: bad object", git_program.VersionControlError, "git status"),
    ],
)
def test_failure_of_git_says_what_to_do(
    text: str, error: type[git_program.VersionControlError], fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess(["git"], 128, b"", text.encode())
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(error) as caught:
        git_program.run_git("log")
    assert "\n" not in caught.value.message
    assert fix in caught.value.fix
