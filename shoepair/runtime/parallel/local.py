"""Work in pieces on this machine.

Few pieces go to threads, which cost nothing to start; many go to a process on every core, since what stands between
two calls into Pillow and numpy holds the interpreter's lock. Pieces that say what room they take, like a training,
go to as many processes as there is room for, since torch has one number of threads a process; where that is one, to
this.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import psutil
from pebble import ProcessExpired, ProcessPool

from shoepair.runtime import progress
from shoepair.runtime.cores import count_cores
from shoepair.runtime.parallel.scheduling import AHEAD, Room, Workers, in_order

# Pieces that threads do sooner: starting processes costs each core about two seconds, as much as two to eight pieces
# of 48 photos take. On 2 cores processes took 1.5 to 3.5 times as long for 10 pieces, 1.2 to 2.5 times for 20.
FEW = 64
THREADS = 4  # each may hold the largest photo, a third of a gigabyte

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def ordered(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], tell: Callable[[Piece], str], room: Room | None
) -> Iterator[Result]:
    """See `parallel.ordered`."""
    number = _at_once(room) if room else count_cores()
    if len(pieces) == 1 or (room and number == 1):
        return map(work, pieces)
    if room is None and len(pieces) <= FEW:
        return _threads(work, pieces, tell)
    return _processes(work, pieces, tell, min(number, len(pieces)))


def _at_once(room: Room) -> int:
    """How many pieces this machine has room for."""
    if room.accelerator:
        return 1
    fit = psutil.virtual_memory().available // room.memory if room.memory else count_cores()
    return max(1, min(count_cores() // room.cores, fit))


def _threads(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], tell: Callable[[Piece], str]
) -> Iterator[Result]:
    threads = min(count_cores(), THREADS)
    pool = ThreadPoolExecutor(threads)

    def start(piece: Piece) -> Future[Result]:
        return pool.submit(work, piece)

    try:
        yield from in_order(pieces, Workers(start, Future.result, AHEAD * threads), tell)
    finally:
        pool.shutdown(cancel_futures=True)


def _processes(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], tell: Callable[[Piece], str], number: int
) -> Iterator[Result]:
    # Spawned: a fork would inherit the threads that libraries have started, and the locks these hold.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(max_workers=number, initializer=_start, context=context)

    def start(piece: Piece) -> Future[Result]:
        return pool.schedule(work, args=(piece,))

    try:
        workers = Workers(start, Future.result, AHEAD * number, ProcessExpired, _why)
        yield from in_order(pieces, workers, tell)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]  # of pebble
        pool.join()


def _why(error: Exception) -> tuple[str, str]:
    fix = "see whether memory ran out (the system's log tells), then run the command again"
    return f"its process died ({error})", fix


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    progress.hide()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, killed perhaps: a training would go on for minutes."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
