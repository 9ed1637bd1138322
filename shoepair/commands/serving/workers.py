"""The processes that decode uploaded photos and ask the network: a photo that takes too long costs one, no more.

Each holds the network and works on one pair at a time, on one thread. A process, not a thread, because only a process
can be ended in the middle of a decoder: pebble does so when the time is over, and puts a fresh one in its place. The
photos come as bytes and are decoded from memory; nothing here opens a file but the project's own.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
import signal
from concurrent.futures import Future
from dataclasses import dataclass

import torch
from pebble import ProcessPool

from shoepair.commands.serving.predictor import Answer, appoint
from shoepair.data.naming import PhotoError

PIXELS = 40_000_000  # that an uploaded photo may have
SHOES = {"left": "the left shoe", "right": "the right shoe"}  # field of the form -> what to call it


@dataclass(frozen=True)
class Unusable:
    """A photo that cannot be used."""

    field: str  # `left` or `right`
    reason: str  # what is wrong with it


_judge = functools.cache(appoint)  # loaded once in a process


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the server ends this one
    torch.set_num_threads(1)
    _judge()


def _look(left: bytes, right: bytes) -> Answer | Unusable:
    """The verdict over two photos; both are looked at before the network is asked."""
    shoes = {}
    for field, content in (("left", left), ("right", right)):
        try:
            shoes[field] = _judge().prepare(io.BytesIO(content), PIXELS)
        except PhotoError as error:
            return Unusable(field, str(error))
    return _judge().judge(shoes["left"], shoes["right"])


class Workers:
    """A fixed number of such processes, started at once.

    Args:
        number: processes; more than the machine has cores gain nothing.
        seconds: a task's time, from when a process takes it up.
    """

    def __init__(self, number: int, seconds: float) -> None:
        # Of a server process that has the libraries loaded: a new one then starts at once, and inherits no thread.
        ways = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
        context.set_forkserver_preload([__name__, "skimage.measure"])
        self.seconds = seconds
        self.pool = ProcessPool(max_workers=number, initializer=_start, context=context)

    def ready(self) -> None:
        """Wait until the network has been loaded.

        Raises:
            ShoepairError: it cannot be.
        """
        self.pool.schedule(int).result()  # which does nothing: done when a process has started

    def look(self, left: bytes, right: bytes) -> Future[Answer | Unusable]:
        """Ask about two photos; a cancelled or late future ends the process that works on it."""
        return self.pool.schedule(_look, args=(left, right), timeout=self.seconds)

    def close(self) -> None:
        """End all processes."""
        self.pool.stop()  # type: ignore[no-untyped-call]  # of pebble
        self.pool.join()
