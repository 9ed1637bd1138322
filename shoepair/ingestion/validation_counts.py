"""Counts of validation reports, for stages and commands that validate nothing and need no decoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNT_NAMES = ("files", "accepted", "quarantined", "ignored", "students", "quarantined_students")


def counts_by_batch_and_total(reports_by_batch: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Return the counts of each batch from the validation reports, with their sum first as `total`."""
    total = {name: sum(report[name] for report in reports_by_batch.values()) for name in COUNT_NAMES}
    return {"total": total} | {
        batch: {name: report[name] for name in COUNT_NAMES} for batch, report in reports_by_batch.items()
    }
