"""Who has a file open for writing."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from shoepair.runtime import open_files


def test_only_who_may_write_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"1")
    link = tmp_path / "link.h5"
    link.symlink_to(path)
    with path.open("rb"):
        assert open_files.list_writers(path) == []
        with path.open("r+b"):
            assert open_files.list_writers(path) == open_files.list_writers(link) == ["this program"]
    assert open_files.list_writers(path) == []


def test_processes_that_may_not_be_looked_at_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    path = tmp_path / "a.h5"
    with path.open("wb"):
        monkeypatch.setattr(psutil.Process, "open_files", refuse)
        assert open_files.list_writers(path) == []
