"""Files written as a whole: beside their place, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"  # ends the name of a file that is being written; DVC ignores it, `shoepair doctor` sweeps it


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well, and is gone when it does not.

    A reader so sees the old file or the whole new one, and a killed run leaves nothing that looks finished.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())  # mkstemp keeps the file to its owner; other outputs are not kept so
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file as a whole."""
    with replacing(path) as part:
        part.write_bytes(text.encode())  # bytes: no line ends of another system


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
