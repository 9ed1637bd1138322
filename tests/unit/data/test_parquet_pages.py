"""Parquet files of forms that this project does not write, and files that are small and decode to gigabytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from shoepair.data import parquet_files, parquet_pages
from shoepair.runtime.errors import ShoepairError

MANY = 2_000_000  # rows


def parquet_bytes(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(columns), buffer, **options)
    return buffer.getvalue()


def constant(value: Any, rows: int) -> arrow.Array:
    """Return a column of one value, as a dictionary, which takes no memory."""
    return arrow.DictionaryArray.from_arrays(arrow.array(np.zeros(rows, np.int32)), [value])


def refusal(content: bytes) -> str:
    with pytest.raises(ShoepairError) as caught:
        parquet_files.decode_any_table(content, "table")
    assert str(caught.value).startswith("table: not a Parquet file that can be read, expected a table\n  ")
    assert str(caught.value).count("\n") == 2
    return str(caught.value)


@pytest.mark.parametrize("rows", [1, 10, 30_000])
@pytest.mark.parametrize("dictionary", [True, False])
def test_table_of_plain_columns_is_measured_and_read(rows: int, dictionary: bool) -> None:
    columns = {
        "a": [f"u{number}" for number in range(rows)],
        "b": list(range(rows)),
        "c": [True, *[None] * (rows - 1)],
    }
    content = parquet_bytes(columns, use_dictionary=dictionary, row_group_size=9_000)
    measured = parquet_pages.measure_decoded_bytes(content, 2**28)
    assert 3 * 8 * rows <= measured <= 100 * rows + 1000
    assert parquet_files.decode_any_table(content, "table").to_pydict() == columns
    with pytest.raises(ValueError, match="more than 20 bytes when decoded"):
        parquet_pages.measure_decoded_bytes(content, 20)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        *(({"compression": codec}, "not compressed by Snappy") for codec in ("zstd", "gzip", "brotli", "lz4")),
        ({"data_page_version": "2.0"}, "a page of another type than version 1"),
        ({"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}}, "a page of encoding 7"),
        ({"use_dictionary": False, "column_encoding": {"b": "DELTA_BINARY_PACKED"}}, "a page of encoding 5"),
        ({"use_dictionary": False, "column_encoding": {"b": "BYTE_STREAM_SPLIT"}}, "a page of encoding 9"),
    ],
)
def test_form_that_is_never_written_is_refused(options: dict[str, Any], problem: str) -> None:
    assert problem in refusal(parquet_bytes({"a": ["x", "y"], "b": [1, 2]}, **options))


@pytest.mark.parametrize(
    "column", [[[1], [2]], [{"c": 1}, None], [{"c": [1]}, None], arrow.array([b"x", b"y"], arrow.binary(1))]
)
def test_nested_and_binary_columns_are_refused(column: Any) -> None:
    assert "nested" in (text := refusal(parquet_bytes({"a": column}))) or "of type" in text


def test_texts_of_a_dictionary_are_counted_before_they_are_decoded() -> None:
    content = parquet_bytes({"a": constant("x" * 100_000, MANY)}, store_schema=False)  # 200 GB
    assert len(content) < 100_000
    assert "more than 536,870,912 bytes when decoded" in refusal(content)


def test_numbers_of_a_dictionary_are_counted_before_they_are_decoded() -> None:
    content = parquet_bytes({f"c{number}": np.zeros(MANY, np.int64) for number in range(40)})  # 640 MB
    assert len(content) < 400_000
    assert "more than 536,870,912 bytes when decoded" in refusal(content)


def test_too_many_rows_columns_or_footer_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "expected 5,000,000 of 100 at most" in refusal(parquet_bytes({f"c{number}": [1] for number in range(101)}))
    monkeypatch.setattr(parquet_pages, "MAX_ROWS", 2)
    assert "3 rows of 1 columns" in refusal(parquet_bytes({"a": [1, 2, 3]}))
    monkeypatch.setattr(parquet_pages, "MAX_FOOTER_BYTES", 100)
    assert "a footer of" in refusal(parquet_bytes({"a": [1]}))


def test_pages_of_a_few_bytes_each_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_PAGES", 3)
    content = parquet_bytes({"a": list(range(900))}, use_dictionary=False, data_page_size=64, write_batch_size=16)
    assert "too many pages" in refusal(content)


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1PAR1", b"PAR1\0\0\0\0PAR1", b"PAR1\xff\xff\xff\xffPAR1", b"x" * 99]
)
def test_file_without_a_footer_is_refused(content: bytes) -> None:
    refusal(content)


def test_every_cut_and_a_sample_of_turned_bits_end_in_a_table_or_a_refusal() -> None:
    content = parquet_bytes({"a": ["x", "y", "x"], "b": [1, 2, 3]}, store_schema=False)
    refused = 0
    for position in range(0, len(content), 3):
        turned = bytes([content[position] ^ 1 << position % 8])
        for other in (content[:position], content[:position] + turned + content[position + 1 :]):
            try:
                parquet_files.decode_any_table(other, "table")
            except ShoepairError:
                refused += 1
    assert refused > len(content) / 3
