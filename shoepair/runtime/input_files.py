"""Reading of files that may come from elsewhere: regular files of a bounded length, with one message."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shoepair.runtime.errors import ShoepairError


def read_bytes(path: Path, max_bytes: int, fix: str) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        max_bytes: more are refused before they are read.
        fix: what to do if the file is missing or refused, for the message.

    Raises:
        ShoepairError: the file is missing, a device or a pipe, or too long.
    """
    with open_bytes(path, max_bytes, fix) as file:
        content = file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)  # allocates what it is asked for
    raise_if_too_long(len(content), max_bytes, str(path), fix)
    return content


@contextmanager
def open_bytes(path: Path, max_bytes: int, fix: str) -> Iterator[BinaryIO]:
    """Open a regular file, as `read_bytes` does, to read it in parts."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        message = f"{path}: missing"
        raise ShoepairError(message, fix=fix.removeprefix("delete it and ")) from None
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):  # a folder: the system's own error
        message = f"{path}: a device or pipe, expected a file"
        raise ShoepairError(message, fix=fix)
    with path.open("rb") as file:
        raise_if_too_long(os.fstat(file.fileno()).st_size, max_bytes, str(path), fix)
        yield file


def raise_if_too_long(length: int, max_bytes: int, location: str, fix: str) -> None:
    """Raise a ShoepairError if a content of this length is longer than allowed."""
    if length > max_bytes:
        message = f"{location}: more than {max_bytes:,} bytes, expected at most that"
        raise ShoepairError(message, fix=fix)
