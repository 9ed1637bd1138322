"""Temporary folders for photos that are handed in, beside the photos of the batches.

There, the last step is a rename on one disk, git and DVC look away, and nothing of a class gets into the system's
folder for temporary files. Each folder has a lock that the system releases when its process ends in any way, so that
the next command can tell an abandoned folder from one in use.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoepair.runtime import file_locks, paths

PREFIX = ".incoming-"
LOCK_NAME = "lock"


@contextmanager
def open_temporary_folder() -> Iterator[Path]:
    """Yield a new, empty folder; delete it, with what is in it then, at the end of the block."""
    paths.RAW_FOLDER.mkdir(parents=True, exist_ok=True)
    outer = Path(tempfile.mkdtemp(prefix=PREFIX, dir=paths.RAW_FOLDER))
    try:
        with file_locks.make_lock(outer / LOCK_NAME):
            inner = outer / "photos"
            inner.mkdir()
            yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def find_abandoned_folders() -> list[Path]:
    """Return the temporary folders of processes that were killed."""
    return [outer for outer in sorted(paths.RAW_FOLDER.glob(f"{PREFIX}*")) if file_locks.is_free(outer / LOCK_NAME)]


def delete_abandoned_folders() -> None:
    """Delete the temporary folders of processes that were killed."""
    for outer in find_abandoned_folders():
        shutil.rmtree(outer)
