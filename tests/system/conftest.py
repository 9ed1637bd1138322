"""Fixtures of tests that drive real programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ranked
from support.field import copy_project, edit


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A project whose pairs are there, its parameters small."""
    copy_project(tmp_path)
    edit(tmp_path / "params.yaml", "edge: 16 ", f"edge: {ranked.EDGE} ")
    edit(tmp_path / "params.yaml", "epochs: 2 ", "epochs: 3 ")
    ranked.write_class(tmp_path)
    return tmp_path
