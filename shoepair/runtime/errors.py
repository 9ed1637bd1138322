"""User-facing errors: one message, no traceback, exit status 1.

A message has up to three parts: where and what was found; the single problems, indented; what to do.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import NoReturn

# What to do about an error of the system, by its name: not all systems have all of them.
OS_ERROR_FIXES = {
    **dict.fromkeys(("ENOSPC", "EDQUOT"), "free disk space"),
    **dict.fromkeys(("EACCES", "EPERM", "EROFS"), "correct the permissions"),
    **dict.fromkeys(("EMFILE", "ENFILE"), "close other programs, or allow more open files (`ulimit -n 4096`)"),
    **dict.fromkeys(("EIO", "ENXIO", "EUCLEAN"), "check the disk; the system's log says what it met"),
    **dict.fromkeys(
        ("ESTALE", "ETIMEDOUT", "EHOSTDOWN", "EHOSTUNREACH", "ENETUNREACH", "ENOTCONN", "EREMOTEIO"),
        "check the network disk, and mount it again if need be",
    ),
    **dict.fromkeys(
        ("EAGAIN", "EWOULDBLOCK", "EDEADLK", "EDEADLOCK", "EBUSY", "ETXTBSY"), "wait until no other program uses it"
    ),
    **dict.fromkeys(
        ("ENOLCK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"),
        "use a disk with file locks, such as a local one",
    ),
    "ENOMEM": "end other programs",
}
AGAIN = ", then run the command again; no partial file was kept"
OTHER_OS_ERROR_FIX = "free disk space or correct the permissions"
MAX_LINE_LENGTH = 2000  # of a message; a value from a file may be longer


class ShoepairError(Exception):
    """An error that the user can correct: bad input, parameters or arguments.

    Args:
        message: where, what was found, and what was expected.
        problems: the single problems, one a line.
        fix: what to do, in one line.
    """

    def __init__(self, message: str, *, problems: Sequence[str] = (), fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.message, *(f"  {line}" for line in self.problems), *([self.fix] if self.fix else [])]
        return "\n".join(map(_make_printable, lines))


class PeerLostError(ShoepairError):
    """Another rank has ended or cannot be reached; the launcher restarts all ranks."""


def escape_unprintable(name: str) -> str:
    """Return a file name with control characters and undecodable bytes escaped, safe to print.

    A name may hold a newline or a terminal's escape sequence; printed raw, it could forge lines of the output.
    """
    return name if name.isprintable() else ascii(name)[1:-1]


def _make_printable(line: str) -> str:
    """Escape control characters and shorten what a damaged file put into a message."""
    if len(line) > MAX_LINE_LENGTH:
        line = f"{line[: MAX_LINE_LENGTH // 2]} ... {line[-MAX_LINE_LENGTH // 2 :]}"
    return "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in line)


def from_os_error(error: OSError | MemoryError) -> ShoepairError:
    """Convert an error of the system, such as a full disk or a missing permission, into a ShoepairError.

    An error that has a number is the machine's, not the file's: no file is called damaged for it.
    """
    if isinstance(error, MemoryError):
        return ShoepairError("this machine has too little memory left", fix=f"{OS_ERROR_FIXES['ENOMEM']}{AGAIN}")
    location = f"{escape_unprintable(str(error.filename))}: " if error.filename else ""
    reason = error.strerror or " ".join(str(error).split())  # h5py sets no errno, only a text
    advice = OS_ERROR_FIXES.get(errno.errorcode.get(error.errno or 0, ""), OTHER_OS_ERROR_FIX)
    return ShoepairError(f"{location}{reason}", fix=f"{advice}{AGAIN}")


def exit_with_error(error: ShoepairError) -> NoReturn:
    """End the program with status 1; the error goes to stderr, its first word in red on a terminal.

    Raises:
        SystemExit: always.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        sys.exit(f"error: {error}")
    from rich.console import Console  # imported late: only an error on a terminal needs it
    from rich.padding import Padding
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    first, *others = str(error).splitlines()
    console.print(Text.assemble(("error:", "bold red"), f" {first}"))
    for line in others:  # wrapped between words, as far to the right as they begin
        console.print(Padding(Text(line.lstrip()), (0, 0, 0, len(line) - len(line.lstrip()))))
    sys.exit(1)
