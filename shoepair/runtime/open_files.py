"""Which programs of this machine have a file open for writing, for messages."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def list_writers(path: Path) -> list[str]:
    """Return name and number of every process that has a file open for writing, as far as this user may see them."""
    import psutil  # imported late: for a message only

    target = os.path.realpath(path)
    writers = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it has ended, or is another user's
            # Only Linux says in which mode.
            modes = [getattr(file, "mode", "r+") for file in process.open_files() if file.path == target]
            if set(modes) - {"r"}:
                own = process.pid == os.getpid()
                writers.append("this program" if own else f"{process.name()} (process {process.pid})")
    return writers
