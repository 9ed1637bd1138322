"""Locks of the operating system."""

from __future__ import annotations

from pathlib import Path

from shoepair.runtime import file_locks


def test_lock_is_free_unless_somebody_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert file_locks.is_free(path)
    with file_locks.make_lock(path):
        assert not file_locks.is_free(path)
    assert file_locks.is_free(path)
