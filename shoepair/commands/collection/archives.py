"""Zip and tar files that are handed in: untrusted, so unpacked by their own rules, into a folder of their own.

Refused are absolute paths, `..`, links, devices, sparse and encrypted members, two members of one name, and archives
of too many members or bytes. What counts is the bytes that come out, never what a header claims. Python's own
`extractall` filters keep a member inside the folder, but follow links there and know no limits.
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

from shoepair.data.naming import SETS
from shoepair.ingestion.scan import is_system_file
from shoepair.runtime.errors import ShoepairError, escaped

MEMBERS = 50_000  # of an archive: eight thousand students
BYTES = 16 * 2**30  # unpacked: three thousand students with photos of a megabyte
PIECE = 2**20  # bytes copied at a time
HEADER = 2**24  # bytes that tarfile may ask for at once; it would read a header of any claimed length into memory
COMPRESSIONS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
TAR_MAGIC_AT = 257  # "ustar" stands there in every tar file since 1988
DAMAGE = (  # what the readers raise on damaged bytes
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, RuntimeError, OverflowError),
)
MAC_FOLDER = "__MACOSX"  # what macOS packs beside the folder: resource forks


class _RefusedError(Exception):
    """Why an archive is not unpacked."""


@dataclass(frozen=True)
class _Member:
    """One member: its name, why it cannot be taken, and what opens it; a folder opens nothing."""

    name: str
    refused: str
    open: Callable[[], AbstractContextManager[IO[bytes] | None] | None]


@contextmanager
def opened(path: Path, members: int = MEMBERS, limit: int = BYTES) -> Iterator[Path]:
    """The folder of class photos behind a path: the folder itself, or an archive, unpacked while the block runs.

    An archive is a zip, tar, tar.gz, tar.bz2 or tar.xz file, told by its bytes. A single folder that wraps everything,
    as most programs pack it, is looked into.

    Raises:
        ShoepairError: there is nothing at this path, or it is neither; an archive is damaged or breaks a rule.
    """
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        found = f"{escaped(str(path))}: no such folder or file, expected class photos"
        raise ShoepairError(found, fix="give the folder that holds train/, test_m/ and test_w/, or a zip or tar of it")
    with tempfile.TemporaryDirectory(prefix="shoepair-") as place:
        try:
            _unpack(path, Path(place), members, limit)
        except _RefusedError as reason:
            found = f"{escaped(str(path))}: {reason}, nothing was unpacked"
            raise ShoepairError(found, fix="pack the folder of photos alone anew, or unpack it by hand") from None
        yield _unwrapped(Path(place))


def _unpack(path: Path, place: Path, members: int, limit: int) -> None:
    opener = _zip_members if zipfile.is_zipfile(path) else _tar_members
    left, seen = limit, set[PurePosixPath]()
    try:
        for number, member in enumerate(opener(path), start=1):
            if number > members:
                reason = f"more than {members} members, expected at most that"
                raise _RefusedError(reason)
            name = _name(member, seen)
            seen.add(name)
            with member.open() or nullcontext() as source:  # a folder opens nothing
                left -= _copy(source, place / name, left, limit)
    except DAMAGE as error:
        cause = escaped(str(error)) or type(error).__name__
        full = isinstance(error, OSError) and error.errno  # of the system; the readers raise it without a number
        reason = f"{'cannot be unpacked' if full else 'not a whole zip or tar file'} ({cause})"
        raise _RefusedError(reason) from None


def _name(member: _Member, seen: set[PurePosixPath]) -> PurePosixPath:
    """The member's place in the folder."""
    shown = escaped(member.name)
    name = PurePosixPath(member.name)
    odd = not member.name or "\\" in member.name or ":" in member.name or "\0" in member.name
    if odd or name.is_absolute() or ".." in name.parts:
        reason = f"member {shown!r} is no plain path inside the folder, expected like train/u052_3_left_w.png"
        raise _RefusedError(reason)
    if member.refused:
        reason = f"member {shown!r} is {member.refused}, expected files and folders"
        raise _RefusedError(reason)
    if name in seen:
        reason = f"member {shown!r} is there twice"
        raise _RefusedError(reason)
    return name


def _copy(source: IO[bytes] | None, target: Path, left: int, limit: int) -> int:
    """Write one member; gives the bytes that it took."""
    if source is None:
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    taken = 0
    with target.open("xb") as file:
        while piece := source.read(PIECE):
            taken += len(piece)
            if taken > left:
                reason = f"more than {limit} bytes unpacked, expected at most that"
                raise _RefusedError(reason)
            file.write(piece)
    return taken


def _zip_members(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = "encrypted" if info.flag_bits & 1 else ""
            refused = "a link" if stat.S_ISLNK(info.external_attr >> 16) else kind
            opener = nullcontext if info.filename.endswith("/") else partial(archive.open, info)
            yield _Member(info.filename, refused, opener)


def _tar_members(path: Path) -> Iterator[_Member]:
    with _tar_stream(path) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as archive:  # type: ignore[call-overload]
        for info in archive:
            kind = "" if info.isdir() or (info.isreg() and not info.issparse()) else "a sparse file or a device"
            refused = "a link" if info.issym() or info.islnk() else kind
            yield _Member(info.name, refused, partial(archive.extractfile, info))  # gives None for a folder


def _tar_stream(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(TAR_MAGIC_AT + 5)
    for magic, opener in COMPRESSIONS.items():
        if start.startswith(magic):
            return opener(path)
    if start[TAR_MAGIC_AT:] != b"ustar":
        reason = "neither a folder nor a zip or tar file" if start else "an empty file"
        raise _RefusedError(reason)
    return path.open("rb")


class _Bounded:
    """A stream of which no single read is long: tarfile takes the lengths of its headers on trust."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read

    def read(self, length: int) -> bytes:
        """At most `HEADER` bytes; a request for more is no honest header."""
        if length > HEADER:
            reason = f"a header of {length} bytes"
            raise tarfile.ReadError(reason)
        return self._read(length)


def _unwrapped(place: Path) -> Path:
    """The folder that holds the photos: this one, or the only one in it, unless that is a set of students."""
    entries = [path for path in place.iterdir() if path.name != MAC_FOLDER and not is_system_file(Path(path.name))]
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name not in SETS:
        return _unwrapped(entries[0])
    return place
