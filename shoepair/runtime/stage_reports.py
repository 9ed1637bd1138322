"""Lines by which a running stage tells `shoepair repro` how far it is, and its process how it ended.

They go to stderr, between the lines for people, and begin with a control character that these do not have. A stage
writes them only if `VARIABLE` is set, in one call each: a pipe keeps such lines whole.
"""

from __future__ import annotations

import os
from contextlib import suppress

MARK = "\x1e"  # "record separator"
FIELD_END = "\t"
VARIABLE = "SHOEPAIR_STAGE_REPORTS"  # set by `shoepair repro` for its stages, if it shows bars


def are_wanted() -> bool:
    """Return whether the program that started this process shows its progress."""
    return bool(os.environ.get(VARIABLE))


def write(*fields: object) -> None:
    """Write the fields of a report: its kind, and what it says."""
    texts = (" ".join(str(field).split()) for field in fields)
    with suppress(OSError):  # the reader was killed
        os.write(2, f"{MARK}{FIELD_END.join(texts)}\n".encode(errors="replace"))


def parse(line: str) -> list[str]:
    """Return the fields of a report; [] for a line that is none."""
    return line.removeprefix(MARK).rstrip("\n").split(FIELD_END) if line.startswith(MARK) else []
