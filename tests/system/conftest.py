"""Fixtures of tests that drive real programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ranked
from support.field import copy_project, edit


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Take back what a test leaves in the environment: Ray and torch add variables that steer later programs."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A project whose pairs are there, its parameters small."""
    copy_project(tmp_path)
    edit(tmp_path / "params.yaml", "edge: 16 ", f"edge: {ranked.EDGE} ")
    edit(tmp_path / "params.yaml", "threads: 2 ", "threads: 1 ")
    edit(tmp_path / "params.yaml", "epochs: 2 ", "epochs: 3 ")
    ranked.write_class(tmp_path)
    return tmp_path
