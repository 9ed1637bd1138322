"""Worker processes that decode uploaded photos and predict verdicts.

Each process loads the model and handles one pair at a time, on one thread. Processes, not threads, because only a
process can be stopped inside a decoder: pebble does so after the time limit, and starts a new one. Photos arrive as
bytes and are decoded in memory; no file outside the project is opened.
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

from shoepair.commands.serving.predictor import Prediction, load_predictor
from shoepair.data.naming import PhotoError

MAX_PIXELS = 40_000_000  # of an uploaded photo
SHOE_NAMES = {"left": "the left shoe", "right": "the right shoe"}  # field of the form -> what to call it


@dataclass(frozen=True)
class UnusablePhoto:
    """An uploaded photo that cannot be decoded, and why."""

    side: str  # `left` or `right`
    reason: str  # what is wrong with it


_get_predictor = functools.cache(load_predictor)  # once per process


def _init_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the server stops this one
    torch.set_num_threads(1)
    _get_predictor()


def _predict(left: bytes, right: bytes) -> Prediction | UnusablePhoto:
    """Predict the verdict for two photos; both are decoded before the model runs."""
    photos = {}
    for side, content in (("left", left), ("right", right)):
        try:
            photos[side] = _get_predictor().prepare_photo(io.BytesIO(content), MAX_PIXELS)
        except PhotoError as error:
            return UnusablePhoto(side, str(error))
    return _get_predictor().predict(**photos)


class WorkerPool:
    """A pool of processes, each with the model loaded, that predict verdicts.

    Args:
        count: number of processes; more than the machine has cores are useless.
        time_limit: of a task, from its start, in seconds.
    """

    def __init__(self, count: int, time_limit: float) -> None:
        # A fork server with the libraries loaded: new processes start fast, and inherit no thread.
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        context.set_forkserver_preload([__name__, "skimage.measure"])
        self.time_limit = time_limit
        self.pool = ProcessPool(max_workers=count, initializer=_init_worker, context=context)

    def wait_until_ready(self) -> None:
        """Wait until a process has loaded the model.

        Raises:
            ShoepairError: it cannot be loaded.
        """
        self.pool.schedule(int).result()  # an empty task, done after a process has started

    def predict(self, left: bytes, right: bytes) -> Future[Prediction | UnusablePhoto]:
        """Predict the verdict for two photos in a process; cancelling or a timeout stops that process."""
        return self.pool.schedule(_predict, args=(left, right), timeout=self.time_limit)

    def close(self) -> None:
        """Stop all processes."""
        self.pool.stop()  # type: ignore[no-untyped-call]  # of pebble
        self.pool.join()
