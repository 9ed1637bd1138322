"""Fixtures: projects around a tiny class, without git, under version control, trained."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.commands import CLI as CLI
from support.commands import Run as Run
from support.commands import command as command
from support.commands import commit as commit
from support.commands import put_under_version_control as put_under_version_control
from support.commands import ran as ran
from support.commands import set_environment as set_environment
from support.field import CLASS as CLASS
from support.field import EDGE as EDGE
from support.field import ROOT as ROOT
from support.field import copy_project as copy_project
from support.field import edit as edit
from support.field import outputs as outputs
from support.field import wait_for as wait_for
from support.field import write_class as write_class
from support.field import write_photo as write_photo
from support.field import write_student as write_student

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser for the tests of a file."""
    from browsers import launched  # here, since most tests need none

    with launched() as browser:
        yield browser


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one tiny batch, as the current directory; no git, no dvc."""
    monkeypatch.chdir(copy_project(tmp_path))
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a real command in the test's environment; its output comes back as text."""
    set_environment(monkeypatch)
    return command


@pytest.fixture
def repository(project: Path, run: Run) -> Path:  # noqa: ARG001  # the environment must stand first
    """The tiny project under git and dvc, its batch tracked."""
    put_under_version_control()
    return project


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project after `dvc repro`, committed: built once, since that takes half a minute."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy_project(folder))
        set_environment(patch)
        put_under_version_control()
        command("dvc", "repro", "-q")
        commit("Train")
    return folder


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001
    """A copy of the trained tiny project, as the current directory, the test's own."""
    folder = tmp_path / "trained"
    shutil.copytree(trained_once, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder
