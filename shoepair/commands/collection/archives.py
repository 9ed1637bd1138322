"""Unpacking of untrusted zip and tar files into a temporary folder of the project.

Refused are absolute paths, `..`, links, devices, sparse and encrypted members, two members of one name, and archives
of too many members or bytes. The unpacked bytes are counted; sizes in headers are not trusted. Python's `extractall`
filters keep a member inside the folder, but follow links there and have no limits.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from shoepair.commands.collection import tar_members, temporary_folders, zip_members
from shoepair.commands.collection.archive_members import ArchiveError, Member
from shoepair.data.naming import SUBSETS
from shoepair.ingestion.file_manifest import is_system_file
from shoepair.runtime.errors import ShoepairError, escape_unprintable

MAX_MEMBERS = 50_000  # per archive, with the folders that their names mention: eight thousand students
MAX_BYTES = 16 * 2**30  # unpacked: three thousand students with photos of a megabyte
MAX_RATIO = 20  # unpacked bytes per byte of the archive; photos are compressed already and have 1 to 2
MIN_BYTES = 64 * 2**20  # unpacked bytes that are allowed at any ratio
TAR_HEADER_BYTES = 4096  # per member, with what fills its last block
MAX_NAME_LENGTH = 255  # letters of a path in an archive; Windows allows 260
READ_ERRORS = (  # what the readers raise on damaged bytes
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, RuntimeError, OverflowError),
)
MACOS_FOLDER = "__MACOSX"  # macOS packs resource forks into it


@contextmanager
def open_photo_folder(path: Path, max_members: int = MAX_MEMBERS, max_bytes: int = MAX_BYTES) -> Iterator[Path]:
    """Yield the folder of class photos at a path; an archive is unpacked into a temporary one while the block runs.

    A single folder that wraps all others, as most programs pack it, is entered.

    Raises:
        ShoepairError: the path is missing or neither folder nor archive; an archive is damaged or breaks a rule.
    """
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        message = f"{escape_unprintable(str(path))}: no such folder or file, expected class photos"
        raise ShoepairError(message, fix="give the folder with train/, test_m/ and test_w/, or a zip or tar of it")
    with temporary_folders.open_temporary_folder() as temporary:
        try:
            _unpack(path, temporary, max_members, max_bytes)
        except ArchiveError as reason:
            message = f"{escape_unprintable(str(path))}: {reason}, nothing was unpacked"
            raise ShoepairError(message, fix="pack only the folder of photos, or unpack it by hand") from None
        yield _strip_wrapper_folders(temporary)


def _unpack(path: Path, folder: Path, max_members: int, max_bytes: int) -> None:
    """Write the members into the folder; raise ArchiveError if the archive breaks a rule."""
    files, folders = set[PurePosixPath](), {PurePosixPath()}
    try:
        bytes_left = max_bytes = min(max_bytes, max(MIN_BYTES, MAX_RATIO * path.stat().st_size))
        for member in _iter_members(path, max_bytes + max_members * TAR_HEADER_BYTES):
            name = _member_path(member)
            if not files.isdisjoint([name, *name.parents]) or (name in folders and not member.is_folder):
                reason = f"member {_shorten(member.name)!r} occurs twice, or as a file and as a folder"
                raise ArchiveError(reason)
            folders.update(name.parents)
            (folders if member.is_folder else files).add(name)
            if len(files) + len(folders) - 1 > max_members:
                reason = f"more than {max_members} files and folders, expected at most that"
                raise ArchiveError(reason)
            bytes_left = _write_member(member, folder / name, bytes_left, max_bytes)
    except READ_ERRORS as error:
        if isinstance(error, OSError) and error.strerror:  # the readers raise OSError without one
            reason = f"cannot be unpacked ({error.strerror})"
        else:
            reason = f"not a complete zip or tar file ({escape_unprintable(str(error)) or type(error).__name__})"
        raise ArchiveError(reason) from None


def _iter_members(path: Path, max_tar_bytes: int) -> Iterator[Member]:
    is_zip = zipfile.is_zipfile(path)
    return zip_members.iter_zip_members(path) if is_zip else tar_members.iter_tar_members(path, max_tar_bytes)


def _member_path(member: Member) -> PurePosixPath:
    """Return the path of a member in the folder; raise ArchiveError if it is not allowed."""
    name = PurePosixPath(member.name)
    unsafe = not member.name or "\\" in member.name or ":" in member.name or "\0" in member.name
    if unsafe or name.is_absolute() or ".." in name.parts:
        shown = _shorten(member.name)
        reason = f"member {shown!r} is not a plain path inside the folder, expected e.g. train/u052_3_left_w.png"
        raise ArchiveError(reason)
    if len(member.name) > MAX_NAME_LENGTH:
        shown = _shorten(member.name)
        reason = f"member {shown!r} has a name of {len(member.name)} letters, expected at most {MAX_NAME_LENGTH}"
        raise ArchiveError(reason)
    if member.rejection:
        reason = f"member {_shorten(member.name)!r} is {member.rejection}"
        raise ArchiveError(reason)
    return name


def _shorten(name: str) -> str:
    """Return a name of any length and letters for a message."""
    shown = escape_unprintable(name[:MAX_NAME_LENGTH])
    return shown if len(name) <= MAX_NAME_LENGTH else f"{shown}..."


def _write_member(member: Member, target: Path, bytes_left: int, max_bytes: int) -> int:
    """Write one member; return the number of bytes that are left for the others."""
    if member.is_folder:
        target.mkdir(parents=True, exist_ok=True)
        return bytes_left
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for chunk in member.chunks:
            bytes_left -= len(chunk)
            if bytes_left < 0:
                reason = f"more than {max_bytes} bytes unpacked, expected at most that"
                raise ArchiveError(reason)
            file.write(chunk)
    return bytes_left


def _strip_wrapper_folders(folder: Path) -> Path:
    """Return the folder with the photos: this one, or the only one in it, unless that is a subset like train/."""
    entries = [path for path in folder.iterdir() if path.name != MACOS_FOLDER and not is_system_file(Path(path.name))]
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name not in SUBSETS:
        return _strip_wrapper_folders(entries[0])
    return folder
