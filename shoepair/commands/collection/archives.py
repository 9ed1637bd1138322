"""Class photos that are handed in, as a folder or as an archive, which is unpacked into a temporary folder.

Both go the same way from then on: an archive of a folder means what the folder means, and messages name what was
handed in, never the temporary folder.

Refused are absolute paths, `..`, links, devices, sparse and encrypted members, two members of one name, and archives
of too many members or bytes. The unpacked bytes are counted; sizes in headers are not trusted. Python's `extractall`
filters keep a member inside the folder, but follow links there and have no limits.
"""

from __future__ import annotations

import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from shoepair.commands.collection import tar_members, temporary_folders, zip_members
from shoepair.commands.collection.archive_members import ArchiveError, Member
from shoepair.data.naming import SUBSETS
from shoepair.ingestion import file_manifest, ignored_files
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
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # of a zip, an empty one, one that was split
UNSAFE_LETTERS = re.compile(r'[\x00-\x1f:*?"<>|]')  # in a file's name, on Windows
# A folder of this name is meant as a set, so photos directly in it must not count as `train`.
SET_NAME_PATTERN = re.compile(
    r"(tests?|testing|val|valid|validation|dev|eval|evaluation|hold-?out)[ _.-]?(set|data|photos|images)?"
    r"[ _.-]?(m|w|mens?|womens?)?[ _.-]?[0-9]*"
)


@dataclass(frozen=True)
class PhotoFolder:
    """Class photos that are handed in.

    Args:
        path: the folder with them.
        location: its name in messages.
        correction: what to do about errors.
        ignored_beside: ignored files beside that folder, such as a readme, as paths within what was handed in.
    """

    path: Path
    location: str
    correction: str
    ignored_beside: tuple[str, ...]


@contextmanager
def open_photo_folder(path: Path, max_members: int = MAX_MEMBERS, max_bytes: int = MAX_BYTES) -> Iterator[PhotoFolder]:
    """Yield the class photos at a path; an archive is unpacked into a temporary folder while the block runs.

    A single folder that wraps all others, as most programs pack and unpack it, is entered.

    Raises:
        ShoepairError: the path is missing or neither folder nor archive; an archive is damaged or breaks a rule; a
            folder has photos directly in it and the name of a set.
    """
    shown = escape_unprintable(str(path))
    again = f"then run `shoepair add {shown}` again"
    if path.is_dir():
        yield _find_class_folder(path, path, shown, f"correct the files, {again}")
        return
    if not path.is_file():
        message = f"{escape_unprintable(str(path))}: no such folder or file, expected class photos"
        raise ShoepairError(message, fix="give the folder with train/, test_m/ and test_w/, or a zip or tar of it")
    with temporary_folders.open_temporary_folder() as temporary:
        try:
            _unpack(path, temporary, max_members, max_bytes)
        except ArchiveError as reason:
            message = f"{escape_unprintable(str(path))}: {reason}, nothing was unpacked"
            fix = "unpack it and run `shoepair add` with the folder; or pack only the photos again, as a usual zip"
            raise ShoepairError(message, fix=fix) from None
        packed = _find_only_folder(temporary) or temporary  # the folder that the archive was made of
        yield _find_class_folder(temporary, packed, shown, f"correct it in the archive, {again}")


def _unpack(path: Path, folder: Path, max_members: int, max_bytes: int) -> None:
    """Write the members into the folder; raise ArchiveError if the archive breaks a rule."""
    files, folders = set[PurePosixPath](), {PurePosixPath()}
    try:
        bytes_left = max_bytes = min(max_bytes, max(MIN_BYTES, MAX_RATIO * path.stat().st_size))
        for member in _iter_members(path, max_bytes + max_members * TAR_HEADER_BYTES):
            name = _member_path(member)
            if _is_ignored(member):
                name = PurePosixPath(UNSAFE_LETTERS.sub("_", str(name)))
                if name in files:
                    continue
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
    with path.open("rb") as file:  # not by what stands at its end: a zip may be the last file in a tar
        is_zip = file.read(4) in ZIP_STARTS
    return zip_members.iter_zip_members(path) if is_zip else tar_members.iter_tar_members(path, max_tar_bytes)


def _is_ignored(member: Member) -> bool:
    return not member.is_folder and ignored_files.is_ignored(PurePosixPath(member.name))


def _member_path(member: Member) -> PurePosixPath:
    """Return the path of a member in the folder; raise ArchiveError if it is not allowed."""
    name = PurePosixPath(member.name)
    is_ignored = _is_ignored(member)
    unsafe = not member.name or "\\" in member.name or "\0" in member.name or (":" in member.name and not is_ignored)
    if unsafe or name.is_absolute() or ".." in name.parts:
        shown = _shorten(member.name)
        reason = f"member {shown!r} is not a plain path inside the folder, expected e.g. train/u052_3_left_w.png"
        raise ArchiveError(reason)
    if len(member.name) > MAX_NAME_LENGTH:
        shown = _shorten(member.name)
        reason = f"member {shown!r} has a name of {len(member.name)} letters, expected at most {MAX_NAME_LENGTH}"
        raise ArchiveError(reason)
    if member.rejection and not is_ignored:
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
        for chunk in () if _is_ignored(member) else member.chunks:  # an ignored file is only counted
            bytes_left -= len(chunk)
            if bytes_left < 0:
                reason = f"more than {max_bytes} bytes unpacked, expected at most that"
                raise ArchiveError(reason)
            file.write(chunk)
    return bytes_left


def _find_class_folder(outer: Path, flat: Path, shown: str, correction: str) -> PhotoFolder:
    """Return the folder with the photos: the one with the subsets, in no, one or more folders that wrap it.

    Args:
        outer: what was handed in.
        flat: the folder in which photos directly count as `train`, if there are no subsets.
        shown: the name of `outer` in messages.
        correction: what to do about errors.

    Raises:
        ShoepairError: the name of `flat` is that of a set, and photos lie directly in it.
    """
    inner = outer
    while folder := _find_only_folder(inner):
        inner = folder
    has_subsets = any((inner / subset).is_dir() for subset in SUBSETS)
    found = inner if has_subsets else flat
    location = "/".join([shown, *map(escape_unprintable, found.relative_to(outer).parts)])
    name = found.resolve().name
    if not has_subsets and SET_NAME_PATTERN.fullmatch(name.lower()) and any(map(_is_photo, found.iterdir())):
        message = f"{location}: photos directly in a folder {name!r}, expected {', '.join(SUBSETS)} or another name"
        raise ShoepairError(message, fix=f"call it {' or '.join(SUBSETS)} and give the folder that it is in")
    beside = (file for file in file_manifest.iter_files(outer) if found != outer and not file.is_relative_to(found))
    ignored = sorted(file.relative_to(outer) for file in beside)
    names = tuple(str(file.as_posix()) for file in ignored if ignored_files.is_ignored(file))
    return PhotoFolder(found, location, correction, names)


def _find_only_folder(folder: Path) -> Path | None:
    """Return the folder that wraps all photos of a folder; None if there is none, or it is a subset like train/."""
    entries = list(islice((path for path in folder.iterdir() if _is_photo(path) or _holds_photos(path)), 2))
    is_wrapper = len(entries) == 1 and _is_folder(entries[0]) and entries[0].name not in SUBSETS
    return entries[0] if is_wrapper else None


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_photo(path: Path) -> bool:
    """Whether a path is a file that is not ignored."""
    return not _is_folder(path) and not ignored_files.is_ignored(Path(path.name))


def _holds_photos(folder: Path) -> bool:
    """Whether a path is a folder with a file in it, at any depth, that is not ignored."""
    files = file_manifest.iter_files(folder) if _is_folder(folder) else ()
    return any(not ignored_files.is_ignored(file.relative_to(folder.parent)) for file in files)
