"""Parquet tables with pandera schemas (schemas.py): reading and writing.

A file records its format version and the name of its table. The same rows give the same bytes. A file from elsewhere
is decoded only if its page headers say that it fits into memory (parquet_pages.py); nothing in it but the values is
believed, neither pandas' metadata nor Arrow's.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from pandera.errors import SchemaError

from shoepair.data import parquet_pages
from shoepair.data.schemas import TableSchema
from shoepair.runtime import checked_files, input_files
from shoepair.runtime.atomic_files import atomic_write
from shoepair.runtime.errors import ShoepairError

FORMAT_VERSION = 2
METADATA_KEYS = (b"shoepair.table", b"shoepair.format")
MAX_FILE_BYTES = 2**26
MAX_DECODED_BYTES = 2**28  # the scores of four models on the nine pairs of 90,000 students
MAX_LISTED_VALUES, MAX_VALUE_LENGTH = 3, 80  # of a damaged column, in messages
REBUILD_HINT = "run `dvc repro`, which rebuilds it"


def write_table(path: Path, rows: pd.DataFrame, schema: type[TableSchema]) -> None:
    """Validate a table against its schema and write it as a Parquet file."""
    content = encode_table(rows, schema)
    with atomic_write(path) as part:
        part.write_bytes(content)


def encode_table(rows: pd.DataFrame, schema: type[TableSchema]) -> bytes:
    """Validate a table against its schema and return it as the bytes of a Parquet file."""
    frame = schema.validate(rows.reset_index(drop=True))
    metadata = {"shoepair.table": schema.__name__.lower(), "shoepair.format": str(FORMAT_VERSION)}
    table = arrow.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def read_table(path: Path, schema: type[TableSchema]) -> pd.DataFrame:
    """Read a Parquet table and validate it against its schema.

    Raises:
        ShoepairError: the file is missing, too large, damaged, not a table of this name and format, or a value breaks
            the schema.
    """
    return decode_table(input_files.read_bytes(path, MAX_FILE_BYTES, REBUILD_HINT), str(path), schema)


def decode_table(content: bytes, location: str, schema: type[TableSchema]) -> pd.DataFrame:
    """Decode a table from the bytes of its file and validate it; `location` names it in messages, see `read_table`."""
    expected, fix = schema.__name__.lower(), f"delete it and {REBUILD_HINT}"
    table = decode_any_table(content, location, f"the table {expected}")
    metadata = table.schema.metadata or {}
    name, version = (metadata.get(key, b"unknown").decode("ascii", "replace") for key in METADATA_KEYS)
    if (name, version) != (expected, str(FORMAT_VERSION)):
        message = f"{location}: table {name} of format {version}, expected {expected} of format {FORMAT_VERSION}"
        raise ShoepairError(message, fix=fix)
    columns = _arrow_schema(schema)
    if not table.schema.equals(columns):
        found = [f"column {column.name!r} of type {column.type}" for column in table.schema if column not in columns]
        message = f"{location}: not the columns of the table {expected}, {', '.join(columns.names)}"
        raise ShoepairError(message, problems=found, fix=fix)
    try:
        frame: pd.DataFrame = schema.validate(table.to_pandas(ignore_metadata=True))
    except SchemaError as error:
        message = f"{location}: column {getattr(error.schema, 'name', '')!r} breaks {error.check or error.reason_code}"
        raise ShoepairError(message, problems=_list_failures(error), fix=fix) from None
    return frame


def read_any_table(path: Path) -> arrow.Table:
    """Read a table of any flat columns, with or without a checksum behind it; see `decode_any_table`."""
    content = checked_files.read_checked(path)
    if content is None:
        return decode_any_table(input_files.read_bytes(path, MAX_FILE_BYTES, REBUILD_HINT), str(path))
    return decode_any_table(content, str(path))


def decode_any_table(content: bytes, location: str, expected: str = "a table") -> arrow.Table:
    """Decode a table of any flat columns, of this or an older version of the project.

    Args:
        content: of the file.
        location: its name in messages.
        expected: what it should be, in messages.

    Raises:
        ShoepairError: it is not a table, has a form that this project never wrote, or is too large.
    """
    fix = f"delete it and {REBUILD_HINT}"
    input_files.raise_if_too_long(len(content), MAX_FILE_BYTES, location, fix)
    try:
        known_bytes = parquet_pages.measure_decoded_bytes(content, MAX_DECODED_BYTES)
        file = parquet.ParquetFile(arrow.BufferReader(content), arrow_extensions_enabled=False)
        return _decode_texts_last(content, _without_foreign_metadata(file.schema_arrow), known_bytes)
    except (arrow.ArrowException, ValueError, OSError, MemoryError) as error:
        message = f"{location}: not a Parquet file that can be read, expected {expected}"
        problem = " ".join(str(error).split()) or type(error).__name__
        raise ShoepairError(message, problems=[problem], fix=fix) from None


def _decode_texts_last(content: bytes, columns: arrow.Schema, known_bytes: int) -> arrow.Table:
    """Decode a table; its texts as numbers of dictionary entries first, which says how long they are together.

    Args:
        content: of the file.
        columns: its columns.
        known_bytes: what it takes without the texts.

    Raises:
        ValueError: a column is of a type that no table has, a text is not UTF-8, or the texts are too long.
    """
    if len(set(columns.names)) < len(columns):
        message = "two columns of one name"
        raise ValueError(message)
    for column in columns:
        if not (_is_text(column.type) or arrow.types.is_primitive(column.type)):
            message = f"column {column.name!r} of type {column.type}"
            raise ValueError(message)
    texts = [column.name for column in columns if _is_text(column.type)]
    source = arrow.BufferReader(content)
    file = parquet.ParquetFile(source, read_dictionary=texts, arrow_extensions_enabled=False)
    filled = [number for number in range(file.num_row_groups) if file.metadata.row_group(number).num_rows]
    if not filled:
        return columns.empty_table()
    table = file.read_row_groups(filled, use_threads=False)
    table.validate(full=True)
    for name in texts:
        for chunk in table[name].chunks:
            lengths = compute.binary_length(chunk.dictionary).take(chunk.indices)
            known_bytes += compute.sum(lengths).as_py() or 0
            if known_bytes > MAX_DECODED_BYTES:
                message = f"more than {MAX_DECODED_BYTES:,} bytes when decoded"
                raise ValueError(message)
    return table.cast(columns)


def _without_foreign_metadata(columns: arrow.Schema) -> arrow.Schema:
    """Return columns with this project's metadata alone; pandas would believe its own."""
    metadata = {key: value for key, value in (columns.metadata or {}).items() if key in METADATA_KEYS}
    return arrow.schema([column.remove_metadata() for column in columns], metadata)


def _is_text(column_type: arrow.DataType) -> bool:
    return bool(arrow.types.is_string(column_type) or arrow.types.is_large_string(column_type))


def _list_failures(error: SchemaError) -> list[str]:
    """Return the first values that break a check."""
    cases = error.failure_cases
    values = cases["failure_case"].tolist() if isinstance(cases, pd.DataFrame) and "failure_case" in cases else [cases]
    more = [f"and {len(values) - MAX_LISTED_VALUES:,} more"] if len(values) > MAX_LISTED_VALUES else []
    return [repr(value)[:MAX_VALUE_LENGTH] for value in values[:MAX_LISTED_VALUES]] + more


@cache
def _arrow_schema(schema: type[TableSchema]) -> arrow.Schema:
    """Return the columns that a table of this schema has in its file."""
    empty = schema.validate(pd.DataFrame(columns=list(schema.to_schema().columns)))
    return arrow.Schema.from_pandas(empty, preserve_index=False).remove_metadata()
