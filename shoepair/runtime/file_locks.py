"""Locks that the operating system releases when their process ends in any way."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout


def make_lock(path: Path, timeout: float = -1) -> FileLock:
    """Return a lock of the operating system; never one by the mere existence of a file, which outlives a kill."""
    return FileLock(path, timeout, thread_local=False, fallback_to_soft=False)


def is_free(path: Path) -> bool:
    """Return whether no process holds this lock."""
    try:
        with make_lock(path, 0):
            return True
    except Timeout:
        return False
