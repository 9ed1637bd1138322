"""reports/withdrawals/<n>.md: what a purge deleted and what remains, as counts: no digest, file name, id or date.

A purge that is killed has noted its counts in `NOTES` before its first deletion; the next one adds them to its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from shoepair.commands.collection.purging.search import RECEIPTS_FOLDER, Finding
from shoepair.runtime import atomic_files, checked_files, json_files
from shoepair.runtime.errors import ShoepairError

NOTES = Path(".dvc/tmp/shoepair/purge")
REMAINS_TITLE = "## What remains"

Counts = Counter[tuple[str, str]]  # place, kind


def begin(counts: Counts) -> Counts:
    """Note what a purge is about to delete; return it with what a killed one had noted."""
    try:
        notes = json_files.parse_json_value(checked_files.read_checked(NOTES) or b"[]", str(NOTES), "")
        noted = Counts({(place, kind): int(count) for place, kind, count in notes})
    except (OSError, ValueError, TypeError, ShoepairError):  # of another version
        noted = Counts()
    together = Counts(noted | counts)  # what is left of the killed one is in both
    checked_files.write_checked(NOTES, json.dumps([[*key, together[key]] for key in sorted(together)]).encode())
    return together


def end(
    counts: Counts, students_by_batch: Mapping[str, Sequence[str]], unproven: Sequence[Finding], remaining: list[str]
) -> Path | None:
    """Write the receipt of a purge; None if nothing was deleted and the last receipt says what remains."""
    receipts = sorted(RECEIPTS_FOLDER.glob("*.md"), key=lambda path: (len(path.stem), path.stem))
    remains = "\n".join([REMAINS_TITLE, "", *_describe_remains(unproven, remaining)]) + "\n"
    receipt = None
    if counts or not receipts or not receipts[-1].read_text().endswith(remains):
        number = int(receipts[-1].stem) + 1 if receipts and receipts[-1].stem.isdigit() else len(receipts) + 1
        receipt = RECEIPTS_FOLDER / f"{number}.md"
        atomic_files.write_text(receipt, _describe_deleted(number, counts, students_by_batch) + remains)
    NOTES.unlink(missing_ok=True)
    return receipt


def _describe_deleted(number: int, counts: Counts, students_by_batch: Mapping[str, Sequence[str]]) -> str:
    batches = [f"{len(students)} of batch `{batch}`" for batch, students in sorted(students_by_batch.items())]
    rows = [f"| {place} | {kind} | {counts[place, kind]:,} |" for place, kind in sorted(counts)]
    table = ["| place | what | deleted |", "|---|---|---|", *rows] if rows else ["Nothing was left to delete."]
    lines = [
        f"# Withdrawal {number}",
        "",
        f"Withdrawn students: {', '.join(batches)}. Deleted by `shoepair forget --purge`:",
        "",
        *table,
        "",
        "The version in use was made without their photos: no file that `dvc.lock` names comes from them. It equals,",
        "byte for byte, what a class without them gives.",
        "",
    ]
    return "\n".join(lines) + "\n"


def _describe_remains(unproven: Sequence[Finding], remaining: list[str]) -> list[str]:
    counts = Counter((finding.place, finding.kind, finding.reason) for finding in unproven)
    lines = [f"- {place}: {count:,} x {kind}: {reason}" for (place, kind, reason), count in sorted(counts.items())]
    return [*lines, *(f"- {line}" for line in remaining)]
