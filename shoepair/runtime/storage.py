"""Where photos and stores are read: in the project's folder, or under `SHOEPAIR_ROOT` by machines that do not see it.

The environment variable names a folder (`/mnt/class`), or an address that fsspec knows (`s3://bucket/class`). Under it
lie the same files as in the project: `data/raw/<batch>/...`, `data/store/<batch>.h5` and `data/synthetic/`. It is no
parameter: a photo that is read there is held against the digest in the batch's table, so that no output can come from
another file.

How a store of objects is reached is its own library's matter: for S3, `AWS_ENDPOINT_URL`, `AWS_PROFILE` and so on.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs
from fsspec.exceptions import FSTimeoutError

from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel.scheduling import windows

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem
    from typing_extensions import Buffer  # Python 3.12 has it as collections.abc.Buffer


ROOT = "SHOEPAIR_ROOT"
SHARED = (paths.RAW, paths.STORES, paths.SYNTHETIC_STORES)  # the folders that lie under it
ANSWER = 8  # seconds within which a server must answer at first
FETCH = 60  # seconds that some photos may take
AT_ONCE = 8  # photos that are fetched together: the wait for an answer is shared, and few are in memory
HEAD = 2**16  # bytes of a store that are read at first: of its students' names, sizes, and where their photos lie


@dataclass(frozen=True)
class Listed:
    """A photo as a table lists it.

    Args:
        path: where it lies in the project's folder, or outside of the project.
        sha256: the digest of its content.
    """

    path: Path
    sha256: str


def listed(folder: Path, rows: pd.DataFrame) -> list[Listed]:
    """The photos of a folder that a table lists (columns `path`, `sha256`)."""
    return [Listed(folder / path, digest) for path, digest in zip(rows["path"], rows["sha256"], strict=True)]


def opened(photos: Iterable[Listed]) -> Iterator[Path | BinaryIO]:
    """Each photo, ready to be decoded: a path, or bytes that were fetched from `SHOEPAIR_ROOT`.

    Raises:
        ShoepairError: a photo cannot be fetched, or another file than the project's lies there.
    """
    for some in windows(photos, AT_ONCE):
        place = _root_of(some[0].path)
        if place:
            yield from map(io.BytesIO, _fetched(place, some))
        else:
            yield from (photo.path for photo in some)


def store(path: Path) -> RemoteFile | None:
    """The store of a batch where `SHOEPAIR_ROOT` has it, of which only what is asked for is fetched; else nothing.

    Raises:
        ShoepairError: it cannot be opened, or is not as long as the one in the project's folder, if that is there.
    """
    place = _root_of(path)
    if not place:
        return None
    address = f"{place}/{path.as_posix()}"
    system, base = _system(place)
    with _told(address):
        # Photos lie one after the other and are asked for whole, each once: the head alone is worth keeping.
        file = system.open(f"{base}/{path.as_posix()}", "rb", cache_type="first", block_size=HEAD)
    here = path.stat().st_size if path.is_file() else file.size
    if here != file.size:
        found = f"{address}: {file.size:,} bytes, but {path} of this project has {here:,}"
        raise ShoepairError(found, fix="upload it there again")
    return RemoteFile(file, address)


class RemoteFile(io.RawIOBase):
    """A file of `SHOEPAIR_ROOT`, read by parts by h5py. What goes wrong is a `ShoepairError`, also in the middle.

    Args:
        file: as fsspec opened it.
        address: what a message calls it.
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
        with _told(self.address):
            return int(self._file.readinto(buffer))

    def close(self) -> None:
        """See `io.IOBase`."""
        self._file.close()
        super().close()


def root() -> str:
    """What `SHOEPAIR_ROOT` names; nothing where it is not set."""
    return os.environ.get(ROOT, "").rstrip("/")


def _root_of(path: Path) -> str:
    """The root under which a path of the project lies; none for others, such as a class that is being added."""
    return root() if any(path.is_relative_to(folder) for folder in SHARED) else ""


def _fetched(place: str, some: Sequence[Listed]) -> list[bytes]:
    """The content of some photos, held against their digests."""
    system, base = _system(place)
    names = [f"{base}/{photo.path.as_posix()}" for photo in some]
    limit = {"timeout": FETCH} if isinstance(system, AsyncFileSystem) else {}
    with _told(f"{place}/{some[0].path.as_posix()}"):
        whole = system.cat(names, on_error="return", **limit)
    contents = []
    for name, photo in zip(names, some, strict=True):
        address = f"{place}/{photo.path.as_posix()}"
        with _told(address):
            if isinstance(whole[name], Exception):
                raise whole[name]
        if hashlib.sha256(whole[name]).hexdigest() != photo.sha256:
            found = f"{address}: another file than {photo.path} of this project"
            raise ShoepairError(found, fix="upload it there again")
        contents.append(whole[name])
    return contents


@cache
def _system(place: str) -> tuple[AbstractFileSystem, str]:
    """The file system of a root, which has answered once, and what the root is called there."""
    try:
        system, base = url_to_fs(place)
    except ImportError as error:
        found = f"{ROOT}={place}: {str(error).rstrip('.')}"
        extra = place.startswith(("s3:", "s3a:"))
        fix = "run `pip install 'shoepair[s3]'`" if extra else "install that package"
        raise ShoepairError(found, fix=f"{fix} on every machine that works") from None
    except ValueError as error:
        found = f"{ROOT}={place}: {error}"
        raise ShoepairError(found, fix="set it to a folder, or to an address like s3://bucket/class") from None
    if isinstance(system, AsyncFileSystem):
        # Any answer will do: whoever may read the photos need not be allowed to look at the folder.
        with _told(place), suppress(FileNotFoundError, PermissionError):
            system.info(base, timeout=ANSWER)
    return system, base


@contextmanager
def _told(address: str) -> Iterator[None]:
    """What a file system raises, as one line about this address."""
    try:
        yield
    except FSTimeoutError:
        fix = f"see that the server is there, and {ROOT} (for S3, AWS_ENDPOINT_URL too) names it"
        found = f"{address}: no answer"
        raise ShoepairError(found, fix=fix) from None
    except FileNotFoundError as error:
        found = f"{address}: {'no such bucket' if 'bucket does not exist' in str(error) else 'missing'}"
        raise ShoepairError(found, fix=f"upload the project's {', '.join(map(str, SHARED))} there") from None
    except PermissionError as error:
        found = f"{address}: no permission ({_words(error)})"
        raise ShoepairError(found, fix="let those who work read it, or give them another key") from None
    except _failures() as error:
        found = f"{address}: cannot be read ({_words(error)})"
        raise ShoepairError(found, fix=f"see that {ROOT} is right, and that the server can be reached") from None


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _failures() -> tuple[type[Exception], ...]:
    """What file systems raise; S3's library has a family of errors of its own."""
    try:
        from botocore.exceptions import BotoCoreError  # here, since it is asked for only where something failed
    except ImportError:
        return (OSError,)
    return (OSError, BotoCoreError)
