"""Schemas of the files with counts: what lacks a count is refused by key (stages/test_split.py reads whole ones)."""

from __future__ import annotations

from typing import Any

import pytest

from shoepair.data import json_schemas
from shoepair.runtime import json_files
from shoepair.runtime.errors import ShoepairError

COUNTS = {"students": 1, "pairs": 3, "students_m": 1, "pairs_m": 3, "students_w": 0, "pairs_w": 0}
SPLITS = dict.fromkeys(("train", "valid", "test_m", "test_w"), COUNTS)
REPORT: dict[str, Any] = dict.fromkeys(
    ("files", "accepted", "quarantined", "ignored", "students", "quarantined_students"), 6
)
REPORT |= {"changed": {"turned": 1}, "flags": {"dark": ["train/u001_1_left_m.png"]}, "reasons": {"u001": ["one"]}}


@pytest.mark.parametrize(
    ("schema", "document", "key"),
    [
        (json_schemas.SplitCounts, SPLITS, "valid"),
        (json_schemas.SplitCounts, SPLITS | {"train": COUNTS | {"pairs": "three"}}, r"train\.pairs"),
        (json_schemas.ValidationReport, REPORT, "quarantined_students"),
        (json_schemas.ValidationReport, REPORT | {"flags": {"dark": "all"}}, r"flags\.dark"),
    ],
)
def test_missing_or_wrong_count_is_refused_by_key(schema: Any, document: dict[str, Any], key: str) -> None:
    with pytest.raises(ShoepairError, match=rf"^here: invalid (split counts|validation report)\n  {key}: "):
        json_files.check_schema({name: document[name] for name in document if name != key}, "here", "", schema)


@pytest.mark.parametrize(
    ("schema", "document"), [(json_schemas.SplitCounts, SPLITS), (json_schemas.ValidationReport, REPORT)]
)
def test_complete_file_is_accepted(schema: Any, document: dict[str, Any]) -> None:
    assert json_files.check_schema(document, "here", "", schema) == document
