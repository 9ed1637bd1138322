"""The Makefile hands paths on as they are, and works in a folder with spaces and quotes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.field import ROOT

SHOEPAIR = '#!/bin/sh\nfor word; do printf "<%s>" "$word"; done; echo\n'


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A project that was set up before, with a program `shoepair` that prints its arguments."""
    if not shutil.which("make"):
        pytest.skip("no make")
    folder = tmp_path / "it's my project"
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    shutil.copyfile(ROOT / "Makefile", folder / "Makefile")
    for name in ("requirements.lock", "pyproject.toml", ".venv/.ready"):  # the last one is the newest
        (folder / name).touch()
    (programs / "shoepair").write_text(SHOEPAIR)
    (programs / "python").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    return folder


def make(folder: Path, *words: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("photos", "name"),
    [
        ("/x/My Photos/winter", "winter"),
        ('../It\'s $HOME, "Winter" (1)/Wintér $(2).TAR.gz', "winter-2"),
        ("зима", ""),
    ],
)
def test_path_of_photos_reaches_the_command_as_it_is(made: Path, photos: str, name: str) -> None:
    assert make(made, "repro", f"PHOTOS={photos}") == [f"<add><{photos}><--name><{name}><--alone>", "<repro>"]


def test_name_is_the_given_one_and_without_photos_nothing_is_added(made: Path) -> None:
    assert make(made, "repro", "PHOTOS=x", "NAME=late")[0] == "<add><x><--name><late><--alone>"
    assert make(made, "repro") == ["<repro>"]
