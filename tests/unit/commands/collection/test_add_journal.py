"""The journal of `shoepair add`: what a killed one left is described and undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.settings import write, write_settings

from shoepair.commands import dvc_records
from shoepair.commands.collection import add_journal
from shoepair.runtime import paths


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that lists one batch."""
    monkeypatch.chdir(tmp_path)
    write_settings("old")


def half_added(batch: str) -> None:
    write(paths.raw_path(batch) / "train/u001_1_left_m.jpg", b"x")
    write(dvc_records.dvc_file_path(batch), "outs: []\n")
    add_journal.write_journal(batch)


def test_class_that_was_listed_before_the_kill_stays() -> None:
    half_added("old")
    assert add_journal.describe_killed_add() == (
        "batch 'old': its `shoepair add` was killed at the end; the batch is complete"
    )
    add_journal.undo_killed_add()
    assert not paths.ADD_JOURNAL.exists()
    assert (paths.raw_path("old") / "train/u001_1_left_m.jpg").is_file()
    assert add_journal.describe_killed_add() == ""


def test_killed_add_is_described_and_undone() -> None:
    half_added("new")
    assert add_journal.describe_killed_add() == (
        "batch 'new': its `shoepair add` was killed; data/raw/new was removed, add it again"
    )
    add_journal.undo_killed_add()
    assert not paths.raw_path("new").exists()
    assert not dvc_records.dvc_file_path("new").exists()
    assert not paths.ADD_JOURNAL.exists()
