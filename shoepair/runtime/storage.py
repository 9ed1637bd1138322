"""Reading of photos, checked against their table; remote reading of photos and stores from `SHOEPAIR_ROOT`.

Every photo is read once: its bytes are compared with the length and SHA-256 in the batch's table, then decoded. So no
output can come from another file, even if the file changes while a stage runs.

The environment variable is for machines that cannot see the project folder. It names a folder (`/mnt/class`) or an
fsspec address (`s3://bucket/class`), which holds the same files as the project: `data/raw/<batch>/...`,
`data/store/<batch>.h5` and `data/synthetic/`.

Object storage is configured as its library documents: for S3, `AWS_ENDPOINT_URL`, `AWS_PROFILE` and so on.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError, escape_unprintable
from shoepair.runtime.parallel.scheduling import chunked

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem
    from typing_extensions import Buffer  # Python 3.12 has it as collections.abc.Buffer


ROOT_VARIABLE = "SHOEPAIR_ROOT"
REMOTE_FOLDERS = (
    paths.RAW_FOLDER,
    paths.STORE_FOLDER,
    paths.FEATURES_FOLDER,
    paths.SYNTHETIC_STORE_FOLDER,
)  # that are read remotely
ANSWER_TIMEOUT = 8  # seconds within which a server must answer first
FETCH_TIMEOUT = 60  # seconds for `PHOTOS_PER_FETCH` photos
PHOTOS_PER_FETCH = 8  # fetched together: they share the latency, and few are in memory
DIGITS = 12  # of a SHA-256 in messages
HEAD_BYTES = 2**16  # read first of a store: students' names, sizes, and positions of the photos


@dataclass(frozen=True)
class PhotoFile:
    """A photo as a table lists it.

    Args:
        path: in the project folder, or outside of the project.
        length: of its content, in bytes.
        sha256: hex digest of its content.
    """

    path: Path
    length: int
    sha256: str


def list_photo_files(folder: Path, rows: pd.DataFrame) -> list[PhotoFile]:
    """Return each photo of a table (columns `path`, `bytes`, `sha256`)."""
    columns = (rows[name] for name in ("path", "bytes", "sha256"))
    return [PhotoFile(folder / path, int(length), digest) for path, length, digest in zip(*columns, strict=True)]


def read_photos(photos: Iterable[PhotoFile]) -> Iterator[bytes]:
    """Yield the content of each photo, from the project or `SHOEPAIR_ROOT`; never more bytes than the table lists.

    Raises:
        ShoepairError: a photo cannot be fetched, or is not the one that the table lists.
        OSError: a photo of the project is missing, or this machine cannot read it; on a cluster, its node is named.
    """
    for chunk in chunked(photos, PHOTOS_PER_FETCH):
        root_address = _remote_root_of(chunk[0].path)
        contents = _fetch_photos(root_address, chunk) if root_address else map(_read_local_photo, chunk)
        for photo, content in zip(chunk, contents, strict=True):
            digest = hashlib.sha256(content).hexdigest()
            if len(content) > photo.length:
                raise _changed_photo(photo, root_address, f"more than {photo.length:,} bytes")
            if digest != photo.sha256:
                raise _changed_photo(photo, root_address, f"{len(content):,} bytes with SHA-256 {digest[:DIGITS]}")
            yield content


def _read_local_photo(photo: PhotoFile) -> bytes:
    """Return the content of a photo of the project: at most one byte more than listed, so that a longer file shows."""
    found = photo.path.stat()
    # Asked first, since a pipe or a huge file must not be read; opening a folder is an error of the system.
    if found.st_size != photo.length and not stat.S_ISDIR(found.st_mode):
        raise _changed_photo(photo, "", f"{found.st_size:,} bytes")
    with photo.path.open("rb") as file:
        return file.read(photo.length + 1)


def _changed_photo(photo: PhotoFile, root_address: str, found: str) -> ShoepairError:
    """Return the error about a photo that is not the one that its table lists."""
    place = f"{root_address}/{photo.path.as_posix()}" if root_address else escape_unprintable(str(photo.path))
    expected = f"{photo.length:,} bytes with SHA-256 {photo.sha256[:DIGITS]}"
    fix = f"upload {photo.path} of this project again" if root_address else _fix_of(photo.path)
    return ShoepairError(f"{place}: not the photo that was listed: found {found}, expected {expected}", fix=fix)


def explain_missing_photo(error: FileNotFoundError) -> ShoepairError:
    """Return the error about a photo of the project, or of a class that is being added, that is gone."""
    path = Path(str(error.filename))
    return ShoepairError(f"{escape_unprintable(str(path))}: missing, but it was listed", fix=_fix_of(path))


def _fix_of(path: Path) -> str:
    """Return what to do about a local photo that has changed since it was listed."""
    if path.is_relative_to(paths.RAW_FOLDER):
        return "put the photo back, or run `dvc repro` to go on with the files that are there now"
    return "run the command again, when no other program changes these files"


def open_remote_store(path: Path) -> RemoteFile | None:
    """Open a store under `SHOEPAIR_ROOT`, read in parts; return None if `SHOEPAIR_ROOT` is not set.

    Raises:
        ShoepairError: it cannot be opened, or its size differs from that of the project's store, if that exists.
    """
    root_address = _remote_root_of(path)
    if not root_address:
        return None
    address = f"{root_address}/{path.as_posix()}"
    system, base = _file_system(root_address)
    with _translate_errors(address):
        # Each photo is contiguous and read once: only the head is worth caching.
        file = system.open(f"{base}/{path.as_posix()}", "rb", cache_type="first", block_size=HEAD_BYTES)
    size = path.stat().st_size if path.is_file() else file.size
    if size != file.size:
        message = f"{address}: {file.size:,} bytes, but {path} of this project has {size:,}"
        raise ShoepairError(message, fix="upload it again")
    return RemoteFile(file, address)


class RemoteFile(io.RawIOBase):
    """A file under `SHOEPAIR_ROOT` that h5py reads in parts; every read error is a ShoepairError.

    Args:
        file: opened by fsspec.
        address: its name in messages.
    """

    def __init__(self, file: Any, address: str) -> None:
        super().__init__()
        self._file = file
        self.address = address
        self.length = int(file.size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `io.IOBase`."""
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Buffer, /) -> int:
        """See `io.RawIOBase`."""
        with _translate_errors(self.address):
            return int(self._file.readinto(buffer))

    def close(self) -> None:
        """See `io.IOBase`."""
        self._file.close()
        super().close()


def remote_root() -> str:
    """Return the value of `SHOEPAIR_ROOT` without a final slash, or "" if it is not set."""
    return os.environ.get(ROOT_VARIABLE, "").rstrip("/")


def _remote_root_of(path: Path) -> str:
    """Return the remote root of a path; "" for paths not read remotely, such as a class that is being added."""
    return remote_root() if any(path.is_relative_to(folder) for folder in REMOTE_FOLDERS) else ""


def _fetch_photos(root_address: str, photos: Sequence[PhotoFile]) -> list[bytes]:
    """Return the contents of photos, each at most one byte more than listed, so that a longer one shows."""
    from fsspec.asyn import AsyncFileSystem  # imported late, like all of fsspec: only for a remote root

    system, base = _file_system(root_address)
    names = [f"{base}/{photo.path.as_posix()}" for photo in photos]
    limit = {"timeout": FETCH_TIMEOUT} if isinstance(system, AsyncFileSystem) else {}
    with _translate_errors(f"{root_address}/{photos[0].path.as_posix()}"):
        ends = [photo.length + 1 for photo in photos]
        fetched = system.cat_ranges(names, [0] * len(names), ends, on_error="return", **limit)
    for content, photo in zip(fetched, photos, strict=True):
        with _translate_errors(f"{root_address}/{photo.path.as_posix()}"):
            if isinstance(content, Exception):
                raise content
    return list(fetched)


@cache
def _file_system(root_address: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a root, after a first answer, and the root's path in it."""
    from fsspec.asyn import AsyncFileSystem
    from fsspec.core import url_to_fs

    try:
        system, base = url_to_fs(root_address)
    except ImportError as error:
        message = f"{ROOT_VARIABLE}={root_address}: {str(error).rstrip('.')}"
        extra = root_address.startswith(("s3:", "s3a:"))
        fix = "run `pip install -e '.[s3]'`" if extra else "install that package"
        raise ShoepairError(message, fix=f"{fix} on every machine") from None
    except ValueError as error:
        message = f"{ROOT_VARIABLE}={root_address}: {error}"
        raise ShoepairError(message, fix="set it to a folder, or to an address like s3://bucket/class") from None
    if isinstance(system, AsyncFileSystem):
        # Any answer will do: a key that may read the photos need not be allowed to list the folder.
        with _translate_errors(root_address), suppress(FileNotFoundError, PermissionError):
            system.info(base, timeout=ANSWER_TIMEOUT)
    return system, base


@contextmanager
def _translate_errors(address: str) -> Iterator[None]:
    """Convert errors of a file system into a ShoepairError about this address."""
    from fsspec.exceptions import FSTimeoutError

    try:
        yield
    except FSTimeoutError:
        fix = f"check that the server runs, and that {ROOT_VARIABLE} (for S3, AWS_ENDPOINT_URL too) names it"
        message = f"{address}: no answer"
        raise ShoepairError(message, fix=fix) from None
    except FileNotFoundError as error:
        message = f"{address}: {'no such bucket' if 'bucket does not exist' in str(error) else 'missing'}"
        raise ShoepairError(message, fix=f"upload the project's {', '.join(map(str, REMOTE_FOLDERS))} there") from None
    except PermissionError as error:
        message = f"{address}: no permission ({_one_line(error)})"
        raise ShoepairError(message, fix="grant read permission, or use another key") from None
    except _file_system_errors() as error:
        message = f"{address}: cannot be read ({_one_line(error)})"
        raise ShoepairError(message, fix=f"check {ROOT_VARIABLE}, and that the server can be reached") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _file_system_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that file systems raise; those of S3's library are no OSErrors."""
    try:
        from botocore.exceptions import BotoCoreError  # imported late: needed after a failure only
    except ImportError:
        return (OSError,)
    return (OSError, BotoCoreError)
