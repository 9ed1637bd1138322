"""The photo tables: what lies in a batch's folder, and what of it is accepted; the rules between are in rules.py.

Every table of the pipeline is a Parquet file whose columns a pandera schema fixes; the file carries the format number
and the name of the table. The same rows give the same bytes.
"""

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
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as parquet
from pandera.typing import Series

from shoepair import photos
from shoepair.runtime import parallel, storage
from shoepair.runtime.errors import ShoepairError, escaped
from shoepair.runtime.files import replacing
from shoepair.runtime.parallel import scheduling

FORMAT = 1
PIECE = 256  # files that one worker is given at a time
SETS = ("train", "test_m", "test_w")
SYSTEM_FILES = {"Thumbs.db", "desktop.ini"}  # left by file managers, like every name with a dot in front


class Schema(pa.DataFrameModel):
    """What all tables share: exactly the named columns, in this order, of these types."""

    class Config:
        """How pandera checks."""

        strict = True
        ordered = True
        coerce = True


class Files(Schema):
    """One row per file found in a batch; the parts of the name are missing where it has a fault."""

    path: Series[str]  # within the batch's folder, "/" between the parts, escaped where not printable
    set: Series[str] = pa.Field(nullable=True, isin=SETS)
    student: Series[str] = pa.Field(nullable=True)
    pair: Series[pd.Int8Dtype] = pa.Field(nullable=True, isin=photos.PAIRS)
    side: Series[str] = pa.Field(nullable=True, isin=photos.SIDES)
    kind: Series[str] = pa.Field(nullable=True, isin=photos.KINDS)
    bytes: Series[int] = pa.Field(ge=0)
    sha256: Series[str] = pa.Field(nullable=True)
    ignored: Series[bool]  # hidden and system files
    fault: Series[str] = pa.Field(nullable=True)


class Photos(Schema):
    """One row per accepted photo: students ascending, pairs 1, 2, 3, left before right."""

    path: Series[str] = pa.Field(unique=True)
    set: Series[str] = pa.Field(isin=SETS)
    student: Series[str]
    pair: Series[int] = pa.Field(isin=photos.PAIRS)
    side: Series[str] = pa.Field(isin=photos.SIDES)
    kind: Series[str] = pa.Field(isin=photos.KINDS)
    bytes: Series[int] = pa.Field(gt=0)
    sha256: Series[str] = pa.Field(unique=True)


class Suspects(Schema):
    """One row per student, the most suspicious first; chances 0..1."""

    batch: Series[str]
    student: Series[str]
    rank: Series[int] = pa.Field(ge=1)
    suspicion: Series[float] = pa.Field(ge=0, le=1)
    mispaired: Series[float] = pa.Field(ge=0, le=1)
    swapped: Series[float] = pa.Field(ge=0, le=1)
    not_a_shoe: Series[float] = pa.Field(ge=0, le=1)
    why: Series[str]


def write(path: Path, rows: pd.DataFrame, schema: type[Schema]) -> None:
    """Write a table, after a check against its schema."""
    frame = schema.validate(rows.reset_index(drop=True))
    marks = {"shoepair.table": schema.__name__.lower(), "shoepair.format": str(FORMAT)}
    columns = arrow.Table.from_pandas(frame, preserve_index=False)
    columns = columns.replace_schema_metadata({**(columns.schema.metadata or {}), **marks})
    with replacing(path) as part:
        parquet.write_table(columns, part)


def read(path: Path, schema: type[Schema]) -> pd.DataFrame:
    """Read a table.

    Raises:
        ShoepairError: the file is missing, or is not a table of this name and format.
    """
    wanted = schema.__name__.lower()
    fix = "run `dvc repro`, which rebuilds it"
    try:
        columns = parquet.read_table(path)
    except FileNotFoundError:
        found = f"{path}: missing"
        raise ShoepairError(found, fix=fix) from None
    except (arrow.ArrowInvalid, OSError):
        found = f"{path}: not a Parquet file, expected the table {wanted}"
        raise ShoepairError(found, fix=f"delete it and {fix}") from None
    marks = columns.schema.metadata or {}
    name, number = (marks.get(key, b"nothing").decode() for key in (b"shoepair.table", b"shoepair.format"))
    if (name, number) != (wanted, str(FORMAT)):
        found = f"{path}: table {name} of format {number}, expected {wanted} of format {FORMAT}"
        raise ShoepairError(found, fix=f"delete it and {fix}")
    frame: pd.DataFrame = schema.validate(columns.to_pandas())
    return frame


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
        name = photos.parse(path.name)
    except photos.PhotoError as error:
        return row | {"fault": str(error)}
    return row | {"set": within.parent.name or SETS[0], **vars(name)}


def is_system_file(within: Path) -> bool:
    """Whether a path within a batch is one that systems leave behind: it is counted and ignored."""
    return any(part.startswith(".") for part in within.parts) or within.name in SYSTEM_FILES
