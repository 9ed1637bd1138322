"""Tiny classes for the tests: photos of random pixels, a project around them, the real `dvc` and `git` commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from shoepair.runtime import paths

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
EDGE = 32
# What dvc.yaml plots of models that are not trained here.
UNTRAINED = re.compile(r" *plots/\w+/(histogram|siamese)\.csv: ")
CLI = ("python", "-m", "shoepair")
CLASS = {"train": ("u001", "u002", "u003", "u005", "u008", "u013"), "test_m": ("u021",), "test_w": ("u034",)}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def write_photo(path: Path, seed: Iterable[int], edge: int = EDGE) -> None:
    """An RGBA PNG of its own colour and noise, whatever the name of the file says."""
    rng = np.random.default_rng(list(seed))
    pixels = rng.integers(0, 60, (edge, edge, 4), np.uint8) + rng.integers(0, 190, 4, np.uint8)
    pixels[..., 3] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "PNG")


def write_student(folder: Path, student: str, kind: str = "m", extension: str = "jpg") -> list[Path]:
    """Six photos of one student."""
    written = []
    for pair in (1, 2, 3):
        for place, side in enumerate(("left", "right")):
            path = folder / f"{student}_{pair}_{side}_{kind}.{extension}"
            write_photo(path, [int(student[1:]), pair, place, len(folder.name)])
            written.append(path)
    return written


def write_class(folder: Path, sets: dict[str, tuple[str, ...]] | None = None) -> None:
    """Students in `train`, `test_m` and `test_w`."""
    for name, students in (sets or CLASS).items():
        for student in students:
            write_student(folder / name, student, "w" if name == "test_w" else "m")


def wait_for(what: Callable[[], bool], seconds: float = 240) -> None:
    """Wait for something that comes."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that stands in the file exactly once."""
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new))


def copy_project(folder: Path) -> Path:
    """The project's own files, as git tracks them or would, with small parameters and a tiny class."""
    for name in ("shoepair", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "metrics/crossval").mkdir(parents=True)
    for name in (
        "params.yaml",
        "pyproject.toml",
        "dvc.yaml",
        ".gitignore",
        ".dvcignore",
        "metrics/crossval/README.md",
    ):
        shutil.copyfile(ROOT / name, folder / name)
    edit(folder / "params.yaml", "edge: 224 ", f"edge: {EDGE} ")
    edit(folder / "params.yaml", "edge: 112 ", f"edge: {EDGE // 2} ")
    # Small, and two models only: every stage more costs every test seconds.
    edit(folder / "params.yaml", "models: [histogram, cnn, cnn_channel, siamese]", "models: [cnn, cnn_channel]")
    plots = (folder / "dvc.yaml").read_text().splitlines(keepends=True)
    (folder / "dvc.yaml").write_text("".join(line for line in plots if not UNTRAINED.match(line)))
    edit(folder / "params.yaml", "epochs: 80 ", "epochs: 2 ")
    edit(folder / "params.yaml", "  students: 300 ", "  students: 2 ")
    edit(folder / "params.yaml", "batch_size: 12 ", "batch_size: 32 ")
    edit(folder / "params.yaml", "\nn: 8 ", "\nn: 4 ")
    edit(folder / "params.yaml", "lr: 4.0e-3 ", "lr: 1.0e-3 ")
    edit(folder / "params.yaml", "resamples: 2000 ", "resamples: 100 ")
    write_class(folder / "data/raw/tiny")
    (folder / "data/batches.yaml").write_text("# the order of arrival\nbatches:\n  - tiny\nsamples: {}\n")
    return folder


def ran(output: str) -> set[str]:
    """The stages that `dvc repro` ran, from what it printed."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file that the pipeline wrote."""
    roots = (
        "data/table",
        "data/valid",
        "data/signs",
        "data/store",
        "data/synthetic",
        "models",
        "plots",
        "metrics",
        "reports",
    )
    files = [path for root in roots for path in (folder / root).rglob("*") if path.is_file()]
    files += [
        folder / path
        for path in (paths.SPLIT, paths.DUPLICATES, paths.PAIRS, paths.SUSPECTS, paths.SCORES, paths.DECISION)
    ]
    files += [folder / "dvc.lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.is_file()}


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


def set_environment(patch: pytest.MonkeyPatch) -> None:
    """This Python's programs first on the PATH, no statistics sent, a name for git."""
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # no files but those that the commands mean to write
    patch.setenv("DVC_NO_ANALYTICS", "1")
    for who in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{who}_NAME", "t")
        patch.setenv(f"GIT_{who}_EMAIL", "t@example.org")


def command(*words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a real command; its output comes back as text."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a real command in the test's environment; its output comes back as text."""
    set_environment(monkeypatch)
    return command


def put_under_version_control() -> None:
    """The project in the current directory under git and dvc, its batch tracked."""
    command("git", "init", "-q", "-b", "main")
    command("dvc", "init", "-q")
    command("dvc", "add", "-q", "data/raw/tiny")
    commit("Add the tiny class")


def commit(message: str) -> None:
    """Commit everything in the current directory."""
    command("git", "add", "--all")
    command("git", "commit", "-q", "-m", message)


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
