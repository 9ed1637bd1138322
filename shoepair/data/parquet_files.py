"""Parquet tables with pandera schemas (schemas.py): reading and writing.

A file records its format version and the name of its table. The same rows give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet

from shoepair.data.schemas import TableSchema
from shoepair.runtime.atomic_files import atomic_write
from shoepair.runtime.errors import ShoepairError

FORMAT_VERSION = 1


def write_table(path: Path, rows: pd.DataFrame, schema: type[TableSchema]) -> None:
    """Validate a table against its schema and write it as a Parquet file."""
    frame = schema.validate(rows.reset_index(drop=True))
    metadata = {"shoepair.table": schema.__name__.lower(), "shoepair.format": str(FORMAT_VERSION)}
    table = arrow.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    with atomic_write(path) as part:
        parquet.write_table(table, part)


def read_table(path: Path, schema: type[TableSchema]) -> pd.DataFrame:
    """Read a Parquet table and validate it against its schema.

    Raises:
        ShoepairError: the file is missing, or is not a table of this name and format.
    """
    expected = schema.__name__.lower()
    fix = "run `dvc repro`, which rebuilds it"
    try:
        table = parquet.read_table(path)
    except FileNotFoundError:
        message = f"{path}: missing"
        raise ShoepairError(message, fix=fix) from None
    except (arrow.ArrowInvalid, OSError):
        message = f"{path}: not a Parquet file, expected the table {expected}"
        raise ShoepairError(message, fix=f"delete it and {fix}") from None
    metadata = table.schema.metadata or {}
    name, version = (metadata.get(key, b"unknown").decode() for key in (b"shoepair.table", b"shoepair.format"))
    if (name, version) != (expected, str(FORMAT_VERSION)):
        message = f"{path}: table {name} of format {version}, expected {expected} of format {FORMAT_VERSION}"
        raise ShoepairError(message, fix=f"delete it and {fix}")
    frame: pd.DataFrame = schema.validate(table.to_pandas())
    return frame
