"""Atomic file writes: to a temporary file in the same folder, which is then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".part"  # of unfinished files; DVC ignores them, `shoepair doctor` deletes them


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` at the end of the block, or deleted on error.

    A reader sees the old file or the complete new one. A killed run leaves no file that looks finished.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL_SUFFIX)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())  # mkstemp makes it readable by its owner only
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic_write(path) as part:
        part.write_bytes(text.encode())  # bytes: line ends stay as they are


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
