"""Files with a checksum, for what a later run reads back and DVC does not record: checkpoints, kept scores, journals.

Layout: the content, then its BLAKE2b digest as 64 hexadecimal digits, so that a text stays one. A file whose digest
does not match is never used: a flipped bit would otherwise end in another result.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from shoepair.runtime.atomic_files import atomic_write

DIGEST_DIGITS = 64


def write_checked(path: Path, content: bytes) -> None:
    """Write a content and its digest atomically."""
    with atomic_write(path) as part, part.open("wb") as file:
        file.write(content)
        file.write(_digest(content))


def read_checked(path: Path) -> bytes | None:
    """Return the content of a file; None if the file is missing, or is not as it was written."""
    try:
        with path.open("rb") as file:
            content = file.read(max(0, os.fstat(file.fileno()).st_size - DIGEST_DIGITS))  # not copied
            digest = file.read()
    except FileNotFoundError:
        return None
    return content if digest == _digest(content) else None


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_DIGITS // 2).hexdigest().encode()
