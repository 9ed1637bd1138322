"""Schemas of the JSON files with counts that stages write and other stages and commands read."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, create_model

from shoepair.data.naming import SPLITS


class ValidationReport(BaseModel):
    """What others read of a validation report, see `ingestion.validation.ValidationResult`."""

    files: int
    accepted: int
    quarantined: int
    ignored: int
    students: int
    quarantined_students: int
    changed: dict[str, int]
    flags: dict[str, list[str]]
    reasons: dict[str, list[str]]


class SplitSize(BaseModel):
    """Students and pairs of shoes of a split, see `ingestion.splits.counts_by_split`."""

    students: int
    pairs: int
    students_m: int
    pairs_m: int
    students_w: int
    pairs_w: int


_FIELDS: dict[str, Any] = dict.fromkeys(SPLITS, (SplitSize, ...))
SplitCounts = create_model("SplitCounts", **_FIELDS)  # metrics/split.json
