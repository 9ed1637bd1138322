"""Manifest of a batch: every file handed in, with its parsed name and SHA-256."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd

from shoepair.data import naming
from shoepair.data.naming import SUBSETS
from shoepair.data.schemas import Manifest
from shoepair.ingestion import ignored_files
from shoepair.runtime import file_digests, parallel, storage
from shoepair.runtime.errors import ShoepairError, escape_unprintable
from shoepair.runtime.parallel import scheduling

FILES_PER_TASK = 256


def build_manifest(
    folder: Path, *, location: str = "", with_system_files: bool = True, ignored_beside: Sequence[str] = ()
) -> pd.DataFrame:
    """List every file of a batch folder with its parsed name and SHA-256.

    Args:
        folder: the batch: sub-folders `train`, `test_m`, `test_w`; photos directly in it count as `train`.
        location: what messages call it; by default its path.
        with_system_files: whether to list what other programs left, which DVC does not record.
        ignored_beside: ignored files beside the folder that were handed in with it, to be counted.

    Returns:
        `Manifest` rows, sorted by path, those beside the folder last.

    Raises:
        ShoepairError: the folder is missing, or has only ignored files.
    """
    if not folder.is_dir():
        message = f"{folder}: no such folder, but the batch is listed in data/batches.yaml"
        raise ShoepairError(message, fix=f"put the photos there, or take {folder.name!r} from the list")
    listed = (
        path
        for path in iter_files(folder)
        if with_system_files or not ignored_files.is_system_file(path.relative_to(folder))
    )
    files = list(scheduling.chunked(sorted(listed), FILES_PER_TASK))
    # Hash the local files: copies under SHOEPAIR_ROOT may differ, and are checked against these digests when read.
    with parallel.force_local() if storage.remote_root() else nullcontext():
        chunks = parallel.imap_ordered(partial(_read_manifest_rows, folder), files, describe_lost_task=_describe_chunk)
        rows = sorted(chain.from_iterable(chunks), key=itemgetter("path"))
    if all(row["ignored"] for row in rows):
        message = f"{location or folder}: no photos"
        raise ShoepairError(message, fix="put the photos there: six for each student, like u052_3_left_w.png")
    rows += [{"path": escape_unprintable(name), "bytes": 0, "ignored": True} for name in ignored_beside]
    return pd.DataFrame(rows, columns=list(Manifest.to_schema().columns))


def iter_files(folder: Path) -> Iterator[Path]:
    """Yield the path of every file under a folder, recursively; links are yielded, not followed."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from iter_files(path)
        else:
            yield path


def count_system_files(folder: Path) -> int:
    """Count what other programs left in a batch folder."""
    return sum(ignored_files.is_system_file(path.relative_to(folder)) for path in iter_files(folder))


def _describe_chunk(files: Sequence[Path]) -> str:
    """Return the name of a task of `build_manifest` for messages."""
    return escape_unprintable(f"{files[0].parent}: files {files[0].name} ... {files[-1].name}")


def _read_manifest_rows(folder: Path, files: Sequence[Path]) -> list[dict[str, Any]]:
    return [_read_manifest_row(folder, path) for path in files]


def _read_manifest_row(folder: Path, path: Path) -> dict[str, Any]:
    """Return the `Manifest` columns of one file, without those that have no value."""
    relative = path.relative_to(folder)
    row: dict[str, Any] = {
        "path": escape_unprintable(relative.as_posix()),
        "ignored": ignored_files.is_ignored(relative),
    }
    status = path.stat() if file_digests.is_cache_link(path) else path.lstat()
    if not stat.S_ISREG(status.st_mode):
        file_type = "a link" if stat.S_ISLNK(status.st_mode) else "a device or pipe"
        return row | {"bytes": 0, "error": None if row["ignored"] else f"not a regular file but {file_type}"}
    row |= {"bytes": status.st_size}
    if row["ignored"]:
        return row
    try:
        with path.open("rb") as file:  # read in blocks: it may be no photo but a huge file
            row |= {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except PermissionError as error:  # other errors of the system are no error of the photo
        return row | {"error": f"cannot be read ({error.strerror})"}
    if relative.parent.as_posix() not in {".", *SUBSETS}:
        parent = escape_unprintable(relative.parent.as_posix())
        return row | {"error": f"in folder {parent!r}, expected {', '.join(SUBSETS)} or none"}
    try:
        name = naming.parse_photo_name(path.name)
    except naming.PhotoError as error:
        return row | {"error": str(error)}
    return row | {"subset": relative.parent.name or SUBSETS[0], **vars(name)}
