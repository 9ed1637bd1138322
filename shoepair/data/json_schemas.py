"""Schemas of the JSON files with counts that stages write and other stages and commands read."""

from __future__ import annotations

from pydantic import BaseModel


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


class SplitCounts(BaseModel):
    """metrics/split.json."""

    train: SplitSize
    valid: SplitSize
    test_m: SplitSize
    test_w: SplitSize
