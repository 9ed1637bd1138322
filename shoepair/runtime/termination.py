"""Orderly ends: SIGTERM and SIGHUP (a closed terminal) clean up like Ctrl-C, instead of ending the process at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows: no SIGHUP


class Terminated(SystemExit):
    """A signal that ends the program, with status 128 + its number."""


@contextmanager
def clean_up_when_terminated(line: str) -> Iterator[None]:
    """Raise `Terminated` in the block if a signal ends the program, so that the block cleans up; then print the line.

    A signal that is ignored, as under `nohup`, stays so. Further signals do not disturb the cleaning.
    """
    if threading.current_thread() is not threading.main_thread():  # only this one can handle signals
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, _raise_terminated)
    try:
        yield
    except Terminated:
        with suppress(OSError):  # a closed terminal
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
        raise
    finally:
        for number in handled:
            signal.signal(number, before[number])


def _raise_terminated(number: int, _frame: FrameType | None) -> NoReturn:
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Terminated(128 + number)
