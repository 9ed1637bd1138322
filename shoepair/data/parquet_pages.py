"""Footer and page headers of a Parquet file, checked before anything is decoded.

Parquet compresses so well that a file of 900 kilobytes may hold 16 gigabytes: a column of one value, a dictionary of
one long text, texts that repeat the start of the text before. What the footer says of sizes need not be true, and
some footers end Arrow's process. So footer and page headers are read here first, and a table is accepted only if it
uses what this project writes: flat columns, pages of version 1, uncompressed or Snappy, plain or by dictionary. Then
the sum over the pages bounds what decoding needs, apart from long texts in a dictionary (see parquet_files.py).

Numbers of fields and values are those of parquet.thrift, https://github.com/apache/parquet-format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any

from shoepair.data.thrift_structs import StructReader

MAX_FILE_BYTES = 2**28  # the image stats of a batch of 11,000 students, which hardly compress
MAX_DECODED_BYTES = 2**29  # the scores of four models on the nine pairs of 180,000 students; texts count twice
MAX_ROWS = 5_000_000
MAX_COLUMNS = 100
MAX_PAGES = 20_000
MAX_FOOTER_BYTES = 2**20  # which take fifty times as much when parsed
VALUE_BYTES = 8  # of a number, or of the position of a text; at most
WRITER = b"parquet-cpp"  # of all tables; for others, Arrow adds a margin behind the pages
MAGIC, FOOTER_END_BYTES = b"PAR1", 8  # the footer's length, and the magic number
Content = bytes | mmap

FOOTER_SCHEMA, FOOTER_ROWS, FOOTER_GROUPS, FOOTER_WRITER, FOOTER_ENCRYPTION = 2, 3, 4, 6, (8, 9)
SCHEMA_REPETITION, SCHEMA_CHILDREN, REQUIRED_OR_OPTIONAL = 3, 5, (0, 1)
GROUP_COLUMNS, GROUP_ROWS = 1, 3
CHUNK_FILE, CHUNK_METADATA, CHUNK_ENCRYPTION = 1, 3, (8, 9)
CODEC, COLUMN_VALUES, COLUMN_BYTES, DATA_OFFSET, DICTIONARY_OFFSET = 4, 5, 7, 9, 11
UNCOMPRESSED, SNAPPY = 0, 1
PAGE_TYPE, UNCOMPRESSED_BYTES, COMPRESSED_BYTES, DATA_HEADER, DICTIONARY_HEADER = 1, 2, 3, 5, 7
DATA_PAGE, DICTIONARY_PAGE = 0, 2
PAGE_VALUES, ENCODING, LEVEL_ENCODING = 1, 2, 3
PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY = 0, 2, 3, 8


def measure_decoded_bytes(content: Content, max_bytes: int) -> int:
    """Return the bytes that a table takes when decoded, without what long texts of dictionaries add.

    Args:
        content: of the file.
        max_bytes: limit of the result.

    Raises:
        ValueError: the table has a form that this project does not write, or breaks a limit; the message says which.
    """
    footer = _read_footer(content)
    pages = decoded_bytes = total_rows = 0
    for group in _structs(footer, FOOTER_GROUPS):
        rows, columns = _natural(group, GROUP_ROWS), _structs(group, GROUP_COLUMNS)
        total_rows += rows
        for column in columns:
            values = 0
            # A group without rows has no pages of data, and is not decoded.
            for page in _iter_pages(content, column) if rows else ():
                pages += 1
                values += 0 if page.is_dictionary else page.values
                decoded_bytes += page.values * VALUE_BYTES + page.uncompressed_bytes
                _require(values <= rows and pages <= MAX_PAGES, "more values than rows, or too many pages")
                _require(decoded_bytes <= max_bytes, f"more than {max_bytes:,} bytes when decoded")
            _require(values == rows, f"a column of {values:,} values, expected {rows:,}")
    _require(total_rows == footer[FOOTER_ROWS], "row groups that do not add up to the number of rows")
    return decoded_bytes


def raise_if_long_dictionary(content: Content, max_bytes: int) -> None:
    """Raise a ValueError if a column has a dictionary of more bytes: each row might repeat a text of that length."""
    for group in _structs(_read_footer(content), FOOTER_GROUPS):
        for column in _structs(group, GROUP_COLUMNS) if _natural(group, GROUP_ROWS) else ():
            for page in _iter_pages(content, column):
                is_short = not page.is_dictionary or page.uncompressed_bytes <= max_bytes
                _require(is_short, f"a dictionary of more than {max_bytes:,} bytes")


def _read_footer(content: Content) -> dict[int, Any]:
    """Read and check the file's metadata: a flat table of few columns, not encrypted."""
    length, end = int.from_bytes(content[-FOOTER_END_BYTES:-4], "little"), len(content) - FOOTER_END_BYTES
    is_parquet = content[:4] == MAGIC and content[-4:] == MAGIC and length <= end - len(MAGIC)
    _require(is_parquet, "not a Parquet file")
    _require(length <= MAX_FOOTER_BYTES, f"a footer of {length:,} bytes, expected {MAX_FOOTER_BYTES:,} at most")
    footer = StructReader(content, end - length, end).read_struct()
    writer = footer.get(FOOTER_WRITER)
    _require(isinstance(writer, bytes) and writer.startswith(WRITER), f"written by {writer!r}, expected {WRITER!r}")
    _require(not any(field in footer for field in FOOTER_ENCRYPTION), "encrypted")
    rows = _natural(footer, FOOTER_ROWS)
    root, *columns = _structs(footer, FOOTER_SCHEMA) or [{}]
    _require(
        rows <= MAX_ROWS and len(columns) <= MAX_COLUMNS,
        f"{rows:,} rows of {len(columns)} columns, expected {MAX_ROWS:,} of {MAX_COLUMNS} at most",
    )
    is_flat = root.get(SCHEMA_CHILDREN) == len(columns) and all(
        SCHEMA_CHILDREN not in column and column.get(SCHEMA_REPETITION) in REQUIRED_OR_OPTIONAL for column in columns
    )
    _require(is_flat, "nested columns")
    counts = {len(_structs(group, GROUP_COLUMNS)) for group in _structs(footer, FOOTER_GROUPS)}
    _require(counts <= {len(columns)}, "row groups of other columns than the schema")
    return footer


@dataclass(frozen=True)
class _Page:
    is_dictionary: bool
    values: int
    uncompressed_bytes: int


def _iter_pages(content: Content, column: dict[int, Any]) -> Iterator[_Page]:
    """Yield the pages of a column chunk, exactly those that Arrow would decode."""
    _require(not column.get(CHUNK_FILE), "a column in another file")
    _require(not any(field in column for field in CHUNK_ENCRYPTION), "an encrypted column")
    metadata = column.get(CHUNK_METADATA)
    if not isinstance(metadata, dict) or metadata.get(CODEC) not in (UNCOMPRESSED, SNAPPY):
        message = "a column that is not compressed by Snappy"
        raise ValueError(message)
    start = _natural(metadata, DATA_OFFSET)
    if 0 < metadata.get(DICTIONARY_OFFSET, 0) < start:
        start = metadata[DICTIONARY_OFFSET]
    end = start + _natural(metadata, COLUMN_BYTES)
    _require(len(MAGIC) <= start <= end <= len(content), "a column outside the file")
    position = start
    while position < end:
        reader = StructReader(content, position, end)
        header = reader.read_struct()
        position = reader.position + _natural(header, COMPRESSED_BYTES)
        yield _check_page(header)
    _require(position == end, "pages that do not end where their column ends")


def _check_page(header: dict[int, Any]) -> _Page:
    is_dictionary = header.get(PAGE_TYPE) == DICTIONARY_PAGE
    details = header.get(DICTIONARY_HEADER if is_dictionary else DATA_HEADER)
    if header.get(PAGE_TYPE) not in (DATA_PAGE, DICTIONARY_PAGE) or not isinstance(details, dict):
        message = "a page of another type than version 1"
        raise ValueError(message)
    allowed = (PLAIN, PLAIN_DICTIONARY) if is_dictionary else (PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY)
    is_known = details.get(ENCODING) in allowed and (is_dictionary or details.get(LEVEL_ENCODING) == RLE)
    _require(is_known, f"a page of encoding {details.get(ENCODING)}, expected plain or by dictionary")
    return _Page(is_dictionary, _natural(details, PAGE_VALUES), _natural(header, UNCOMPRESSED_BYTES))


def _natural(fields: dict[int, Any], number: int) -> int:
    value = fields.get(number)
    if type(value) is not int or value < 0:
        message = f"{value!r} in field {number}, expected a number"
        raise ValueError(message)
    return value


def _structs(fields: dict[int, Any], number: int) -> list[dict[int, Any]]:
    values = fields.get(number)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        message = f"no list of structs in field {number}"
        raise ValueError(message)
    return values


def _require(condition: bool, problem: str) -> None:  # reads like an assertion
    if not condition:
        raise ValueError(problem)
