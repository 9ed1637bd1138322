"""JSON files: bytes and round trip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from shoepair.runtime import json_files
from shoepair.runtime.errors import ShoepairError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(st.dictionaries(st.text(), VALUES, max_size=3))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_written_document_reads_back_as_it_was(tmp_path: Path, document: dict[str, Any]) -> None:
    json_files.write_json(tmp_path / "a.json", document)
    result = json_files.read_json(tmp_path / "a.json", "")
    assert result == document
    assert list(result) == list(document)


def test_document_is_indented_ascii_with_a_line_end(tmp_path: Path) -> None:
    json_files.write_json(tmp_path / "a.json", {"b": [1, 0.5], "ä": None, "a": {}})
    assert (tmp_path / "a.json").read_bytes() == (
        b'{\n  "b": [\n    1,\n    0.5\n  ],\n  "\\u00e4": null,\n  "a": {}\n}\n'
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"a": NaN}', "NaN, which is not a number of JSON"),
        (b'{"a": -Infinity}', "-Infinity, which is not"),
        (b'{"a": 1e999}', "a number that is too large"),
        (b'{"a": [{"b": 9223372036854775808}]}', "an integer of more than 64 bits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"a": 1, "b": 2, "a": 3}', "key 'a' twice"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested deeper than 32"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
        (b'{"a": "\\ud800"}', ""),
    ],
)
def test_document_that_breaks_a_limit_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ShoepairError, match=r"^a\.json: not a JSON object.*\nrun this$") as caught:
        json_files.parse_json(content, "a.json", "run this")
    assert problem in caught.value.message


@pytest.mark.parametrize(
    "content", [b"[]", b"1", b'"a"', b"null", b"{", b"\xef\xbb\xbf{}", b'{"a": "\xff"}', b"{}{}", b""]
)
def test_other_than_an_object_is_refused(content: bytes) -> None:
    with pytest.raises(ShoepairError, match=r"^a\.json: not a JSON object\nrun this$"):
        json_files.parse_json(content, "a.json", "run this")


def test_long_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b" " * (json_files.MAX_BYTES + 1))
    with pytest.raises(ShoepairError, match=r"a: more than 8,388,608 bytes, expected at most that\nrun this$"):
        json_files.read_json(tmp_path / "a", "run this")


class SomeFile(BaseModel):
    """The content of a file."""

    a: int


def test_document_that_breaks_its_schema_is_refused_by_key() -> None:
    assert json_files.parse_json(b'{"a": 1}', "f", "", SomeFile) == {"a": 1}
    with pytest.raises(ShoepairError, match=r"^f: invalid some file\n  a: .*valid integer.*\nrun this$"):
        json_files.parse_json(b'{"a": "x"}', "f", "run this", SomeFile)


def test_numbers_that_json_does_not_have_are_printed_as_null() -> None:
    document = {"a": [float("nan"), 0.5], "b": {"c": (float("inf"), -float("inf"))}, "d": "NaN"}
    assert json.loads(json_files.format_json(document)) == {"a": [None, 0.5], "b": {"c": [None, None]}, "d": "NaN"}


def test_folder_in_the_place_of_a_document_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        json_files.read_json(tmp_path, "run this")
