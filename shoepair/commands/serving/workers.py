"""Worker processes that decode uploaded photos and predict verdicts.

Each process loads the model and handles one pair at a time, on one thread. Processes, not threads, because only a
process can be stopped inside a decoder, and can run out of memory alone. Each has a pipe of its own: pools of pebble
and `concurrent.futures` share pipes and locks among their processes, so that one that is killed can damage them all.
Photos arrive as bytes and are decoded in memory; no file outside the project is opened.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from shoepair.commands.serving import photo_issues
from shoepair.commands.serving.predictor import PairPredictor, Prediction, ShoePhoto, load_predictor
from shoepair.data.naming import PhotoError
from shoepair.runtime import interruption
from shoepair.runtime.errors import ShoepairError

MAX_PIXELS = 120_000_000  # of an uploaded photo
SHOE_NAMES = {"left": "the left shoe", "right": "the right shoe"}  # field of the form -> what to call it
EXIT_SECONDS = 30  # that the end of a process is waited for after the end of its pipe


@dataclass(frozen=True)
class UnusablePhoto:
    """An uploaded photo that cannot be decoded, and why."""

    side: str  # `left` or `right`
    reason: str  # what is wrong with it, and what to do: "is a film; take a photo instead"


@dataclass(frozen=True)
class SeenPhoto:
    """What one photo looks like, before there is another to compare it with."""

    side: str  # `left` or `right`
    is_good: bool
    sentence: str
    photo: ShoePhoto  # for the comparison

    def to_dict(self) -> dict[str, Any]:
        """Return what the page is told, as a JSON-serializable dict."""
        return {"side": self.side, "is_good": self.is_good, "sentence": self.sentence}


Answer = Prediction | SeenPhoto | UnusablePhoto
Photos = dict[str, bytes | ShoePhoto]  # by side: a file, or what was prepared of it before


class WorkerDiedError(Exception):
    """A worker process ended instead of answering; the text says how."""


def _run_worker(connection: Connection) -> None:
    """Load the model, say so, and answer each pair of photos until the server closes the pipe or ends."""
    torch.set_num_threads(1)
    with suppress(EOFError, ConnectionError):  # of the pipe
        try:
            predictor = load_predictor()
            connection.send(None)
            while True:
                connection.send(_predict(predictor, connection.recv()))
        except (
            MemoryError,
            OSError,
            RuntimeError,
            ShoepairError,
        ) as error:  # RuntimeError: torch, without memory
            connection.send(WorkerDiedError(" ".join([type(error).__name__, *str(error).split()])))
            sys.exit(1)


def _predict(predictor: PairPredictor, photos: Photos) -> Answer:
    """Predict the verdict for two photos, by side; or look at a single one. All are prepared before the model runs."""
    prepared = {}
    for side, content in photos.items():
        if isinstance(content, ShoePhoto):
            prepared[side] = content
            continue
        try:
            prepared[side] = predictor.prepare_photo(content, MAX_PIXELS)
        except PhotoError as error:
            return UnusablePhoto(side, photo_issues.explain_unreadable(content, str(error)))
    if len(prepared) == 2:
        return predictor.predict(**prepared)
    ((side, photo),) = prepared.items()
    sentence = photo_issues.describe_photo(
        SHOE_NAMES[side], photo.issues, is_shoe_known=predictor.detector is not None
    )
    return SeenPhoto(side, not photo.issues, sentence, photo)


class Worker:
    """A process and the pipe to it. Its methods block, so they are called in threads; `kill` does not.

    Args:
        context: of multiprocessing.
        pause: seconds between the end of this process and the next one, if it dies without having answered.
    """

    connection: Connection
    process: BaseProcess | None = None

    def __init__(self, context: Any, pause: int = 0) -> None:
        self.context = context
        self.pause = pause

    def start(self) -> None:
        """Start the process and wait until it has loaded the model.

        Raises:
            WorkerDiedError: it cannot be started, or died.
        """
        try:
            self.connection, other_end = self.context.Pipe()
            # They may reach all processes of a terminal or service; the server stops its workers itself.
            with other_end, interruption.block_signals(signal.SIGINT, signal.SIGTERM):
                process = self.context.Process(target=_run_worker, args=(other_end,), daemon=True)
                process.start()
        except (OSError, EOFError) as error:  # EOFError: the fork server died
            text = f"no new process: {error or type(error).__name__}"
            raise WorkerDiedError(text) from None
        self.process = process
        self._receive()

    def predict(self, photos: Photos) -> Answer:
        """Send one or two photos, by side, and return the answer; raise WorkerDiedError if the process died."""
        with suppress(OSError):  # it died, perhaps with a last message
            self.connection.send(photos)
        return self._receive()  # type: ignore[no-any-return]

    def explain_death(self) -> WorkerDiedError:
        """Return how the process, whose pipe has ended, died."""
        try:
            self._receive()
        except WorkerDiedError as death:
            return death
        return WorkerDiedError("out of step")  # it sent something unasked

    def kill(self) -> None:
        """Kill the process; who waits for its answer gets WorkerDiedError."""
        if self.process:
            self.process.kill()

    def _receive(self) -> Any:
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            raise WorkerDiedError(self._describe_exit()) from None
        if isinstance(message, WorkerDiedError):
            raise message
        return message

    def _describe_exit(self) -> str:
        assert self.process is not None
        self.process.join(EXIT_SECONDS)
        code = self.process.exitcode
        if code == -signal.SIGKILL:
            return "killed by SIGKILL, perhaps for want of memory"
        return f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
