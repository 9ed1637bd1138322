"""Parquet tables with pandera schemas (schemas.py): reading and writing.

A file records its format version and the name of its table. The same rows give the same bytes. A file from elsewhere
is decoded only if its page headers say that it fits into memory (parquet_pages.py); nothing in it but the values is
believed, neither pandas' metadata nor Arrow's.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from pandera.errors import SchemaError
from pandera.pandas import DataFrameSchema

from shoepair.data import parquet_pages
from shoepair.data.parquet_pages import MAX_DECODED_BYTES, MAX_FILE_BYTES
from shoepair.data.schemas import TableSchema
from shoepair.runtime import checked_files, input_files
from shoepair.runtime.atomic_files import atomic_write
from shoepair.runtime.errors import ShoepairError

FORMAT_VERSION = 2
METADATA_KEYS = (b"shoepair.table", b"shoepair.format")
PIECE_ROWS, ROWS_AT_ONCE = 4096, 64  # of a table that is read in pieces: 16 MB of hashes; decoded at a time
BUFFER_BYTES = 2**20  # of the file of such a table that are in memory
MAX_LISTED_VALUES, MAX_VALUE_LENGTH = 3, 80  # of a damaged column, in messages
REBUILD_HINT = "run `dvc repro`, which rebuilds it"
DELETE_HINT = f"delete it and {REBUILD_HINT}"


def write_table(path: Path, rows: pd.DataFrame, schema: type[TableSchema]) -> None:
    """Validate a table against its schema and write it as a Parquet file."""
    content = encode_table(rows, schema)
    _raise_if_unreadable(content, path)
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


def _raise_if_unreadable(content: bytes, path: Path) -> None:
    """Raise a ShoepairError if a table is larger than one that is read: no stage could go on with it."""
    try:
        if len(content) <= MAX_FILE_BYTES:
            parquet_pages.measure_decoded_bytes(content, MAX_DECODED_BYTES)
            return
    except ValueError:  # more than this
        pass
    message = f"{path}: a table of {len(content):,} bytes, expected {MAX_FILE_BYTES:,} at most; nothing was written"
    raise ShoepairError(message, fix="hand in a class of more than 10,000 students as several batches")


def read_table(path: Path, schema: type[TableSchema]) -> pd.DataFrame:
    """Read a Parquet table and validate it against its schema.

    Raises:
        ShoepairError: the file is missing, too large, damaged, not a table of this name and format, or a value breaks
            the schema.
    """
    return decode_table(input_files.read_bytes(path, MAX_FILE_BYTES, REBUILD_HINT), str(path), schema)


def iter_table_pieces(path: Path, schema: type[TableSchema], columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield some columns of a Parquet table, some thousand rows at a time, checked as `read_table` checks them.

    Args:
        path: of the file.
        schema: of the table.
        columns: in the order of the table.

    Raises:
        ShoepairError: see `read_table`.
    """
    location, expected = str(path), f"the table {_name(schema)}"
    checks = schema.to_schema().select_columns(list(columns))
    with input_files.open_bytes(path, MAX_FILE_BYTES, REBUILD_HINT) as source:
        with _refused_as_table(location, expected):
            _check_pages(source)
            file = parquet.ParquetFile(
                source, buffer_size=BUFFER_BYTES, pre_buffer=False, arrow_extensions_enabled=False
            )
        _raise_if_other_table(_without_foreign_metadata(file.schema_arrow), location, schema)
        columns_read = arrow.schema([_arrow_schema(schema).field(name) for name in columns])
        batches = file.iter_batches(ROWS_AT_ONCE, columns=list(columns), use_threads=False)
        for _ in range(0, max(1, file.metadata.num_rows), PIECE_ROWS):  # a table without rows is one piece
            with _refused_as_table(location, expected):
                piece = arrow.Table.from_batches(islice(batches, PIECE_ROWS // ROWS_AT_ONCE), columns_read)
                piece.validate(full=True)
            yield _validate(piece.to_pandas(ignore_metadata=True), checks, location)


def _check_pages(source: BinaryIO) -> None:
    """Raise a ValueError if a table in pieces would take more memory than allowed; its pages are not read."""
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
        parquet_pages.measure_decoded_bytes(content, MAX_DECODED_BYTES)
        parquet_pages.raise_if_long_dictionary(content, MAX_DECODED_BYTES // ROWS_AT_ONCE)


def decode_table(content: bytes, location: str, schema: type[TableSchema]) -> pd.DataFrame:
    """Decode a table from the bytes of its file and validate it; `location` names it in messages, see `read_table`."""
    table = decode_any_table(content, location, f"the table {_name(schema)}")
    _raise_if_other_table(table.schema, location, schema)
    return _validate(table.to_pandas(ignore_metadata=True), schema.to_schema(), location)


def _name(schema: type[TableSchema]) -> str:
    return schema.__name__.lower()


def _raise_if_other_table(found: arrow.Schema, location: str, schema: type[TableSchema]) -> None:
    expected, columns, metadata = _name(schema), _arrow_schema(schema), found.metadata or {}
    name, version = (metadata.get(key, b"unknown").decode("ascii", "replace") for key in METADATA_KEYS)
    if (name, version) != (expected, str(FORMAT_VERSION)):
        message = f"{location}: table {name} of format {version}, expected {expected} of format {FORMAT_VERSION}"
        raise ShoepairError(message, fix=DELETE_HINT)
    if not found.equals(columns):
        others = [f"column {column.name!r} of type {column.type}" for column in found if column not in columns]
        message = f"{location}: not the columns of the table {expected}, {', '.join(columns.names)}"
        raise ShoepairError(message, problems=others, fix=DELETE_HINT)


def _validate(rows: pd.DataFrame, schema: DataFrameSchema, location: str) -> pd.DataFrame:
    try:
        return schema.validate(rows)
    except SchemaError as error:
        message = f"{location}: column {getattr(error.schema, 'name', '')!r} breaks {error.check or error.reason_code}"
        raise ShoepairError(message, problems=_list_failures(error), fix=DELETE_HINT) from None


@contextmanager
def _refused_as_table(location: str, expected: str) -> Iterator[None]:
    """Raise what goes wrong while a file is decoded as a ShoepairError."""
    try:
        yield
    except (arrow.ArrowException, ValueError, OSError, MemoryError) as error:
        message = f"{location}: not a Parquet file that can be read, expected {expected}"
        problem = " ".join(str(error).split()) or type(error).__name__
        raise ShoepairError(message, problems=[problem], fix=DELETE_HINT) from None


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
    input_files.raise_if_too_long(len(content), MAX_FILE_BYTES, location, DELETE_HINT)
    with _refused_as_table(location, expected):
        known_bytes = parquet_pages.measure_decoded_bytes(content, MAX_DECODED_BYTES)
        file = parquet.ParquetFile(arrow.BufferReader(content), arrow_extensions_enabled=False)
        return _decode_texts_last(content, _without_foreign_metadata(file.schema_arrow), known_bytes)


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
