"""Reader of untrusted zip files: the members one by one, in bounded memory.

Accepted are stored members and those by deflate, the method of all usual programs, and by Deflate64, which Windows
takes for more than 2 GB. Python's readers of the others have no limit: one read of a bzip2 or LZMA member of kilobytes
may give gigabytes.

Names are to be in UTF-8 with a flag, or in cp437, with slashes between their parts. Real programs write UTF-8 without
the flag (macOS), an additional name in UTF-8 (Info-ZIP, 7-Zip), or backslashes (.NET, PowerShell): all of these are
read. Names in the code page of a country cannot be told from cp437; photos have none.
"""

from __future__ import annotations

import copy
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from shoepair.commands.collection.archive_members import CHUNK_BYTES, ArchiveError, Member

DEFLATE64 = 9
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, DEFLATE64}
DEFLATE64_BYTES = 512  # read at a time: 18 bits may unpack to 65,538 bytes, so this to 15 MB
OTHER_METHODS = {1: "shrink", 6: "implode", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ",
                     97: "WavPack", 98: "PPMd", 99: "AES encryption"}  # fmt: skip
MAX_DIRECTORY_BYTES = 2**23  # of a zip's list of members; `zipfile` takes 15 times its length in memory
LOCAL_HEADER_BYTES = 30  # at least, before the data of a zip member
UTF8 = 0x800  # flag bit of a zip member: its name is in UTF-8
UNICODE_PATH = 0x7075  # additional field of a zip member: its name in UTF-8, with the CRC-32 of the other name
ENCRYPTED = 0x2041  # flag bits of a zip member: encrypted, strongly, with hidden headers


def iter_zip_members(path: Path) -> Iterator[Member]:
    """Yield the members of a zip file in order; raise ArchiveError, or what `zipfile` raises on damaged bytes."""
    with path.open("rb") as file, zipfile.ZipFile(_BoundedFile(file)) as archive:
        _raise_if_overlapping(archive)
        for info in archive.infolist():
            name = _read_name(info)
            is_folder = name.endswith("/")
            read_chunks = _read_deflate64_chunks if info.compress_type == DEFLATE64 else _read_chunks
            chunks = iter(()) if is_folder else read_chunks(archive, info)
            yield Member(name, is_folder, _find_rejection(info), chunks)


def _read_name(info: zipfile.ZipInfo) -> str:
    """Return the name of a member with "/" between its parts."""
    name = info.orig_filename  # `zipfile` cuts the other one at a null byte
    raw = name.encode("utf-8" if info.flag_bits & UTF8 else "cp437", "surrogateescape")
    with suppress(UnicodeDecodeError):  # in another code page
        name = (_find_unicode_path(info.extra, raw) or raw).decode()
    return name.replace("\\", "/")


def _find_unicode_path(extra: bytes, raw_name: bytes) -> bytes:
    """Return the name in the additional fields of a member if it belongs to its other name, or b""."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == UNICODE_PATH and field[:5] == b"\1" + struct.pack("<I", zlib.crc32(raw_name)):
            return field[5:]
    return b""


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


def _read_deflate64_chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    from inflate64 import Inflater  # imported here: only zips of more than 2 GB by Windows need it

    packed = copy.copy(info)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
    del packed.CRC  # that of the unpacked bytes
    inflater, length, checksum = Inflater(), 0, 0
    with archive.open(packed) as source:
        while not inflater.eof and (piece := source.read(DEFLATE64_BYTES)):
            chunk = inflater.inflate(piece)
            length, checksum = length + len(chunk), zlib.crc32(chunk, checksum)
            yield chunk
    if not inflater.eof or (length, checksum) != (info.file_size, info.CRC):
        reason = f"member {info.orig_filename!a} is damaged"
        raise zipfile.BadZipFile(reason)


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
