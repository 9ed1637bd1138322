"""JSON files: bytes and round trip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoepair.data import json_files

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
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


def test_folder_in_the_place_of_a_document_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        json_files.read_json(tmp_path, "run this")
