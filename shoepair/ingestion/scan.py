"""What lies in a batch's folder: every file, with what its name tells and the digest of its content."""

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
from shoepair.data.naming import SETS
from shoepair.data.schemas import Files
from shoepair.runtime import parallel, storage
from shoepair.runtime.errors import ShoepairError, escaped
from shoepair.runtime.parallel import scheduling

PIECE = 256  # files that one worker is given at a time
SYSTEM_FILES = {"Thumbs.db", "desktop.ini"}  # left by file managers, like every name with a dot in front


def scan(folder: Path) -> pd.DataFrame:
    """List every file of a batch, with what its name tells and the digest of its content.

    Args:
        folder: the batch: sub-folders `train`, `test_m`, `test_w`; photos directly in it count as `train`.

    Returns:
        `Files` rows, in the order of their paths.

    Raises:
        ShoepairError: there is no such folder, or no file in it.
    """
    if not folder.is_dir():
        found = f"{folder}: no such folder, but the batch is listed in data/batches.yaml"
        raise ShoepairError(found, fix=f"put the photos there, or take {folder.name!r} from the list")
    files = list(scheduling.windows(sorted(walk(folder)), PIECE))
    # What is elsewhere may be other files: the digests of those here tell, when they are read there.
    with parallel.here() if storage.root() else nullcontext():
        pieces = parallel.ordered(partial(_rows, folder), files, tell=_named)
        rows = sorted(chain.from_iterable(pieces), key=itemgetter("path"))
    if all(row["ignored"] for row in rows):
        found = f"{folder}: no photos"
        raise ShoepairError(found, fix="put the photos there: six for each student, like u052_3_left_w.png")
    return pd.DataFrame(rows, columns=list(Files.to_schema().columns))


def walk(folder: Path) -> Iterator[Path]:
    """Every entry under a folder that is not itself a folder to look into; links are not followed."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)
        else:
            yield path


def _named(files: Sequence[Path]) -> str:
    """What a message calls a piece of `scan`."""
    return escaped(f"{files[0].parent}: files {files[0].name} ... {files[-1].name}")


def _rows(folder: Path, files: Sequence[Path]) -> list[dict[str, Any]]:
    return [_row(folder, path) for path in files]


def _row(folder: Path, path: Path) -> dict[str, Any]:
    """What one file is, in terms of `Files`."""
    within = path.relative_to(folder)
    row: dict[str, Any] = {"path": escaped(within.as_posix()), "ignored": is_system_file(within)}
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "a device or pipe"
        return row | {"bytes": 0, "fault": None if row["ignored"] else f"not a regular file but {kind}"}
    row |= {"bytes": found.st_size}
    if row["ignored"]:
        return row
    try:
        with path.open("rb") as file:  # a window at a time: nobody has said yet that it is a photo
            row |= {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        return row | {"fault": f"cannot be read ({error.strerror})"}
    if within.parent.as_posix() not in {".", *SETS}:
        folders = ", ".join(SETS)
        return row | {"fault": f"in folder {escaped(within.parent.as_posix())!r}, expected {folders} or none"}
    try:
        name = naming.parse(path.name)
    except naming.PhotoError as error:
        return row | {"fault": str(error)}
    return row | {"set": within.parent.name or SETS[0], **vars(name)}


def is_system_file(within: Path) -> bool:
    """Whether a path within a batch is one that systems leave behind: it is counted and ignored."""
    return any(part.startswith(".") for part in within.parts) or within.name in SYSTEM_FILES
