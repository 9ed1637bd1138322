"""Unpacking of untrusted zip and tar files into a temporary folder.

Refused are absolute paths, `..`, links, devices, sparse and encrypted members, two members of one name, and archives
of too many members or bytes. The unpacked bytes are counted; sizes in headers are not trusted. Python's `extractall`
filters keep a member inside the folder, but follow links there and have no limits.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from shoepair.data.naming import SUBSETS
from shoepair.ingestion.file_manifest import is_system_file
from shoepair.runtime.errors import ShoepairError, escape_unprintable

MAX_MEMBERS = 50_000  # per archive: eight thousand students
MAX_BYTES = 16 * 2**30  # unpacked: three thousand students with photos of a megabyte
COPY_CHUNK_BYTES = 2**20  # bytes copied at a time
MAX_HEADER_BYTES = 2**24  # per read of tarfile, which would load a header of any claimed length into memory
DECOMPRESSORS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
TAR_MAGIC_OFFSET = 257  # of "ustar", in every tar file since 1988
READ_ERRORS = (  # what the readers raise on damaged bytes
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, RuntimeError, OverflowError),
)
MACOS_FOLDER = "__MACOSX"  # macOS packs resource forks into it


class _ArchiveError(Exception):
    """The reason why an archive is not unpacked."""


@dataclass(frozen=True)
class _Member:
    """One archive member: its name, why it is rejected (or ""), and its opener, which gives no stream for a folder."""

    name: str
    rejection: str
    open: Callable[[], AbstractContextManager[IO[bytes] | None] | None]


@contextmanager
def open_photo_folder(path: Path, max_members: int = MAX_MEMBERS, max_bytes: int = MAX_BYTES) -> Iterator[Path]:
    """Yield the folder of class photos at a path; an archive is unpacked into a temporary one while the block runs.

    An archive is a zip, tar, tar.gz, tar.bz2 or tar.xz file, recognised by its bytes. A single folder that wraps all
    others, as most programs pack it, is entered.

    Raises:
        ShoepairError: the path is missing or neither folder nor archive; an archive is damaged or breaks a rule.
    """
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        message = f"{escape_unprintable(str(path))}: no such folder or file, expected class photos"
        raise ShoepairError(message, fix="give the folder with train/, test_m/ and test_w/, or a zip or tar of it")
    with tempfile.TemporaryDirectory(prefix="shoepair-") as temporary:
        try:
            _unpack(path, Path(temporary), max_members, max_bytes)
        except _ArchiveError as reason:
            message = f"{escape_unprintable(str(path))}: {reason}, nothing was unpacked"
            raise ShoepairError(message, fix="pack only the folder of photos, or unpack it by hand") from None
        yield _strip_wrapper_folders(Path(temporary))


def _unpack(path: Path, folder: Path, max_members: int, max_bytes: int) -> None:
    opener = _zip_members if zipfile.is_zipfile(path) else _tar_members
    bytes_left, used_paths = max_bytes, set[PurePosixPath]()
    try:
        for number, member in enumerate(opener(path), start=1):
            if number > max_members:
                reason = f"more than {max_members} members, expected at most that"
                raise _ArchiveError(reason)
            name = _member_path(member, used_paths)
            used_paths.add(name)
            with member.open() or nullcontext() as source:  # None for a folder
                bytes_left -= _copy_member(source, folder / name, bytes_left, max_bytes)
    except READ_ERRORS as error:
        cause = escape_unprintable(str(error)) or type(error).__name__
        from_system = isinstance(error, OSError) and error.errno  # the readers raise OSError without a number
        reason = f"{'cannot be unpacked' if from_system else 'not a complete zip or tar file'} ({cause})"
        raise _ArchiveError(reason) from None


def _member_path(member: _Member, used_paths: set[PurePosixPath]) -> PurePosixPath:
    """Return the path of a member in the folder; raise _ArchiveError if it is not allowed."""
    shown = escape_unprintable(member.name)
    name = PurePosixPath(member.name)
    unsafe = not member.name or "\\" in member.name or ":" in member.name or "\0" in member.name
    if unsafe or name.is_absolute() or ".." in name.parts:
        reason = f"member {shown!r} is not a plain path inside the folder, expected e.g. train/u052_3_left_w.png"
        raise _ArchiveError(reason)
    if member.rejection:
        reason = f"member {shown!r} is {member.rejection}, expected files and folders"
        raise _ArchiveError(reason)
    if name in used_paths:
        reason = f"member {shown!r} occurs twice"
        raise _ArchiveError(reason)
    return name


def _copy_member(source: IO[bytes] | None, target: Path, bytes_left: int, max_bytes: int) -> int:
    """Write one member; return its number of bytes."""
    if source is None:
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with target.open("xb") as file:
        while chunk := source.read(COPY_CHUNK_BYTES):
            written += len(chunk)
            if written > bytes_left:
                reason = f"more than {max_bytes} bytes unpacked, expected at most that"
                raise _ArchiveError(reason)
            file.write(chunk)
    return written


def _zip_members(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            encrypted = "encrypted" if info.flag_bits & 1 else ""
            rejection = "a link" if stat.S_ISLNK(info.external_attr >> 16) else encrypted
            opener = nullcontext if info.filename.endswith("/") else partial(archive.open, info)
            yield _Member(info.filename, rejection, opener)


def _tar_members(path: Path) -> Iterator[_Member]:
    with _open_tar(path) as stream, tarfile.open(fileobj=_BoundedReader(stream), mode="r:") as archive:  # type: ignore[call-overload]
        for info in archive:
            special = "" if info.isdir() or (info.isreg() and not info.issparse()) else "a sparse file or a device"
            rejection = "a link" if info.issym() or info.islnk() else special
            yield _Member(info.name, rejection, partial(archive.extractfile, info))  # None for a folder


def _open_tar(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(TAR_MAGIC_OFFSET + 5)
    for magic, opener in DECOMPRESSORS.items():
        if start.startswith(magic):
            return opener(path)
    if start[TAR_MAGIC_OFFSET:] != b"ustar":
        reason = "neither a folder nor a zip or tar file" if start else "an empty file"
        raise _ArchiveError(reason)
    return path.open("rb")


class _BoundedReader:
    """A stream that limits the length of each read, since tarfile trusts the lengths in headers."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read

    def read(self, length: int) -> bytes:
        """Read at most `MAX_HEADER_BYTES` bytes; raise if more are requested."""
        if length > MAX_HEADER_BYTES:
            reason = f"a header of {length} bytes"
            raise tarfile.ReadError(reason)
        return self._read(length)


def _strip_wrapper_folders(folder: Path) -> Path:
    """Return the folder with the photos: this one, or the only one in it, unless that is a subset like train/."""
    entries = [path for path in folder.iterdir() if path.name != MACOS_FOLDER and not is_system_file(Path(path.name))]
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name not in SUBSETS:
        return _strip_wrapper_folders(entries[0])
    return folder
