"""What a user can cause, and how a command prints it: one message, no traceback, exit status 1.

The message has up to three parts, in this order: where and what was found; the single problems, indented; what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class ShoepairError(Exception):
    """A mistake in the input, the parameters or the call: something a user can put right.

    Args:
        found: where, and what was found there instead of what was expected.
        problems: the single faults, each on a line of its own.
        fix: what to do, in one line.
    """

    def __init__(self, found: str, *, problems: Sequence[str] = (), fix: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.problems = tuple(problems)
        self.fix = fix

    def __str__(self) -> str:
        return "\n".join([self.found, *(f"  {line}" for line in self.problems), *([self.fix] if self.fix else [])])


class LostError(ShoepairError):
    """Another process that does the same work has ended, or cannot be reached any more; all of them begin anew."""


def escaped(name: str) -> str:
    """A file name as it may be printed: control characters and undecodable bytes are shown, never sent.

    A name may hold a newline or a terminal's escape sequence; printed raw, it could forge lines of the report.
    """
    return name if name.isprintable() else ascii(name)[1:-1]


def refused(error: OSError) -> ShoepairError:
    """What the operating system did not allow, as a message: a full disk, missing rights, a file in the way."""
    place = f"{escaped(str(error.filename))}: " if error.filename else ""
    reason = error.strerror or " ".join(str(error).split())  # h5py gives no number, but the system's words
    fix = "make room, or put the rights in order, then run the command again; nothing half-written was kept"
    return ShoepairError(f"{place}{reason}", fix=fix)
