"""Fixtures: projects with a tiny class: plain, under version control, or trained."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from filelock import FileLock
from support import slowest
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
from support.stored import write_two_batches

if TYPE_CHECKING:
    from playwright.sync_api import Browser


TIERS = ("unit", "stages", "system")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--slowest`."""
    parser.addoption(
        "--slowest", type=int, default=0, help="number of slowest tests to print, with what they wait for"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Measure what tests wait for, if `--slowest` is given."""
    if count := config.getoption("slowest"):
        slowest.register(config, count)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by its folder: its tier, and `long` in system/long."""
    for item in items:
        folders = item.path.relative_to(Path(__file__).parent).parts[:-1]
        assert folders[0] in TIERS, f"{item.path}: not in one of the folders {', '.join(TIERS)}"
        item.add_marker(folders[0])
        if "long" in folders:
            item.add_marker("long")


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Take back what a test leaves in the environment: Ray and torch add variables that steer later programs."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True, scope="session")
def _checkout_as_it_was() -> Iterator[None]:
    """Fail if tests have left outputs of stages in the checkout, where the next `dvc repro` would take them."""

    def list_files() -> set[Path]:
        return {path for folder in ("data", "metrics", "models", "plots") for path in (ROOT / folder).rglob("*")}

    before = list_files()
    yield
    assert not list_files() - before, "write into a temporary folder"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser, shared by the tests of a file."""
    from support.browsers import launched  # late: most tests need none

    with launched() as browser:
        yield browser


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one tiny batch as the current directory, without git and dvc."""
    monkeypatch.chdir(copy_project(tmp_path))
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Function that runs a real command in the test's environment and returns its output as text."""
    set_environment(monkeypatch)
    return command


@pytest.fixture
def repository(project: Path, run: Run) -> Path:  # noqa: ARG001  # sets the environment first
    """The tiny project under git and dvc, its batch tracked."""
    put_under_version_control()
    return project


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder that the first test builds for all workers of a run; tests copy it.

    Args:
        factory: its base folder is that of the run.
        name: of the folder.
        build: fills the folder, which is then the current directory.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with FileLock(base / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # left by a killed worker
            folder.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                build(folder)
            done.touch()
    return folder


def _train(folder: Path) -> None:
    copy_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        set_environment(patch)
        put_under_version_control()
        command("dvc", "repro", "-q")
        commit("Train")


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project after `dvc repro`, committed."""
    return built_once(tmp_path_factory, "trained", _train)


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001
    """A copy of the trained tiny project as the current directory."""
    folder = tmp_path / "trained"
    shutil.copytree(trained_once, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def paired(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny project before training."""
    from support import folds  # here, since it loads torch

    folds.build_pairs(monkeypatch)
    return project


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """`Pairs` rows of seven students in two batches, whose stores are in the current directory."""
    monkeypatch.chdir(tmp_path)
    return write_two_batches()
