"""Ctrl-C: one line and exit status 130, without a traceback, from the first import to the end of a program."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128 + signal.SIGINT  # as shells report it
STAGE_LINE = "stopped; `dvc repro` goes on from here"

_program_line = ""  # set if this process is a program of this project


def is_spawned() -> bool:
    """Return whether another process spawned this one, by `multiprocessing`; also while it still starts."""
    return "--multiprocessing-fork" in sys.orig_argv


def handle_imports(line: str) -> None:
    """End at Ctrl-C with this line while the program loads its libraries, when nothing has to be cleaned up.

    A rank, a process that loads the program's module again, ignores Ctrl-C: its parent ends it.
    """
    global _program_line
    if is_spawned():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    elif signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else started so that it ignores Ctrl-C
        _program_line = line
        signal.signal(signal.SIGINT, _exit_at_once)


@contextmanager
def keep_from_children() -> Iterator[None]:
    """Keep Ctrl-C from the threads and processes that are started in this block; their parent ends them.

    In the main thread it takes effect after the block: a process that is half started would print a traceback.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    late: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _frame: late.append(number))  # other threads still get it
    try:
        with block_signals(signal.SIGINT):
            yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if late:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def block_signals(*numbers: signal.Signals) -> Iterator[None]:
    """Block signals in this thread, and from its first moment in what it starts in this block. Not on Windows."""
    from multiprocessing import resource_tracker  # imported late: most stages start no process

    resource_tracker.ensure_running()  # its start, which the first process would cause, would admit them again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _exit_at_once(_signal: int, _frame: FrameType | None) -> None:
    os.write(2, f"{_program_line}\n".encode())
    os._exit(STATUS)


@contextmanager
def end_with_line(line: str) -> Iterator[None]:
    """Run the block of a program; at Ctrl-C let it clean up, then print the line and exit with status 130."""
    if _program_line:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        _ignore_more()
        sys.stdout.flush()
        print(line, file=sys.stderr, flush=True)  # noqa: T201  # stderr: standard output may be JSON
        sys.exit(STATUS)
    finally:
        _ignore_more()


def _ignore_more() -> None:
    """Ignore Ctrl-C from now on: what is left is the end of Python, which takes a moment with some libraries."""
    if _program_line:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
