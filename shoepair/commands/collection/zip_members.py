"""Reader of untrusted zip files: the members one by one, in bounded memory.

Accepted are stored members and those by deflate, the method of all usual programs. Python's readers of the others
have no limit: one read of a bzip2 or LZMA member of kilobytes may give gigabytes.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from shoepair.commands.collection.archive_members import CHUNK_BYTES, ArchiveError, Member

METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
OTHER_METHODS = {1: "shrink", 6: "implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ",
                     97: "WavPack", 98: "PPMd", 99: "AES encryption"}  # fmt: skip
MAX_DIRECTORY_BYTES = 2**23  # of a zip's list of members; `zipfile` takes 15 times its length in memory
LOCAL_HEADER_BYTES = 30  # at least, before the data of a zip member
ENCRYPTED = 0x2041  # flag bits of a zip member: encrypted, strongly, with hidden headers


def iter_zip_members(path: Path) -> Iterator[Member]:
    """Yield the members of a zip file in order; raise ArchiveError, or what `zipfile` raises on damaged bytes."""
    with path.open("rb") as file, zipfile.ZipFile(_BoundedFile(file)) as archive:
        _raise_if_overlapping(archive)
        for info in archive.infolist():
            is_folder = info.filename.endswith("/")
            chunks = iter(()) if is_folder else _read_chunks(archive, info)
            # The name is the original one: `zipfile` cuts it at a null byte.
            yield Member(info.orig_filename, is_folder, _find_rejection(info), chunks)


def _find_rejection(info: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link, expected files and folders"
    if info.flag_bits & ENCRYPTED:
        return "encrypted, expected no password"
    if info.compress_type not in METHODS:
        method = OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        return f"compressed by {method}, expected deflate, the usual method, or none"
    return ""


def _read_chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(info) as source:
        while chunk := source.read(CHUNK_BYTES):
            yield chunk


def _raise_if_overlapping(archive: zipfile.ZipFile) -> None:
    """Raise if two members share bytes of the file, by which a small zip unpacks to any size."""
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end:
            reason = "two of its members lie in the same place"
            raise ArchiveError(reason)
        end = info.header_offset + LOCAL_HEADER_BYTES + info.compress_size
    if archive.infolist() and end > archive.start_dir:  # where its list of members begins
        reason = "a member is longer than the file"
        raise zipfile.BadZipFile(reason)


class _BoundedFile:
    """A file for `zipfile` that limits the length of each read: `ZipFile` reads a list of any length at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self.seekable, self._read = file.seek, file.tell, file.seekable, file.read

    def read(self, length: int = -1) -> bytes:
        """Read some bytes, or all that are left; raise if these are too many."""
        data = b"" if length > MAX_DIRECTORY_BYTES else self._read(MAX_DIRECTORY_BYTES + 1 if length < 0 else length)
        if max(length, len(data)) > MAX_DIRECTORY_BYTES:
            reason = f"its list of members has more than {MAX_DIRECTORY_BYTES} bytes, expected at most that"
            raise ArchiveError(reason)
        return data
