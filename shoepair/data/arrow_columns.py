"""Rows of a table by the values of some columns, without pandas: for commands that should answer at once."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from shoepair.data import parquet_pages
from shoepair.runtime import input_files
from shoepair.runtime.errors import ShoepairError


def read_matching_rows(path: Path, columns: Sequence[str], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return columns of the rows in which other columns have these values; none where there is no such file.

    Raises:
        ShoepairError: the file is not a table with these columns, or too large.
    """
    if not path.is_file():
        return []
    import pyarrow as arrow  # imported here: only where there is a table
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet

    fix = "delete it and run `dvc repro`, which rebuilds it"
    content = input_files.read_bytes(path, parquet_pages.MAX_FILE_BYTES, fix)
    try:
        parquet_pages.measure_decoded_bytes(content, parquet_pages.MAX_DECODED_BYTES)
        wanted = list(dict.fromkeys([*columns, *values]))
        # Not `parquet.read_table`, which loads pandas.
        file = parquet.ParquetFile(arrow.BufferReader(content), arrow_extensions_enabled=False)
        table = file.read(columns=wanted, use_threads=False)
        if missing := set(wanted) - set(table.column_names):
            message = f"no column {', '.join(sorted(missing))}"
            raise ValueError(message)
        masks = (compute.equal(table[name], _as_scalar(value, table[name].type)) for name, value in values.items())
        rows: list[dict[str, Any]] = table.filter(reduce(compute.and_, masks)).select(list(columns)).to_pylist()
    except (arrow.ArrowException, ValueError, OSError, MemoryError) as error:
        message = f"{path}: not a table that can be read ({' '.join(str(error).split())})"
        raise ShoepairError(message, fix=fix) from None
    return rows


def _as_scalar(value: str | int, column_type: Any) -> Any:
    """Return a value as one of a column; made of bytes, since `pyarrow.scalar` loads pandas to look at it."""
    import pyarrow as arrow

    text = str(value).encode()
    ends = arrow.py_buffer(struct.pack("<ii", 0, len(text)))
    return arrow.StringArray.from_buffers(1, ends, arrow.py_buffer(text)).cast(column_type)[0]
