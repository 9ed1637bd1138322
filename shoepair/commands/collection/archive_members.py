"""What the readers of archives share: a member, and the error that refuses an archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CHUNK_BYTES = 2**20  # bytes in memory at a time


class ArchiveError(Exception):
    """The reason why an archive is not unpacked."""


@dataclass(frozen=True)
class Member:
    """One member of an archive.

    Args:
        name: as in the archive; any text.
        is_folder: whether it is a folder, which has no chunks.
        rejection: why it must not be unpacked and what was expected, or "".
        chunks: its bytes, to be read before the next member.
    """

    name: str
    is_folder: bool
    rejection: str
    chunks: Iterator[bytes]
