"""Tables: Parquet files whose columns a pandera schema fixes (schemas.py).

The file carries the format number and the name of the table. The same rows give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet

from shoepair.data.schemas import Schema
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.files import replacing

FORMAT = 1


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
