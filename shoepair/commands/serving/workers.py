"""Worker processes that decode uploaded photos and predict verdicts.

Each process loads the model and handles one pair at a time, on one thread. Processes, not threads, because only a
process can be stopped inside a decoder, and can run out of memory alone. Each has a pipe of its own: pools of pebble
and `concurrent.futures` share pipes and locks among their processes, so that one that is killed can damage them all.
Photos arrive as bytes and are decoded in memory; no file outside the project is opened.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch

from shoepair.commands.serving.predictor import PairPredictor, Prediction, load_predictor
from shoepair.data.naming import PhotoError
from shoepair.runtime import interruption
from shoepair.runtime.errors import ShoepairError

MAX_PIXELS = 120_000_000  # of an uploaded photo
SHOE_NAMES = {"left": "the left shoe", "right": "the right shoe"}  # field of the form -> what to call it
MAX_PAUSE = 30  # seconds before a process is replaced, if those before it died without an answer
EXIT_SECONDS = 30  # that the end of a process is waited for after the end of its pipe

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnusablePhoto:
    """An uploaded photo that cannot be decoded, and why."""

    side: str  # `left` or `right`
    reason: str  # what is wrong with it


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
                connection.send(_predict(predictor, *connection.recv()))
        except (
            MemoryError,
            OSError,
            RuntimeError,
            ShoepairError,
        ) as error:  # RuntimeError: torch, without memory
            connection.send(WorkerDiedError(" ".join([type(error).__name__, *str(error).split()])))
            sys.exit(1)


def _predict(predictor: PairPredictor, left: bytes, right: bytes) -> Prediction | UnusablePhoto:
    """Predict the verdict for two photos; both are decoded before the model runs."""
    photos = {}
    for side, content in (("left", left), ("right", right)):
        try:
            photos[side] = predictor.prepare_photo(content, MAX_PIXELS)
        except PhotoError as error:
            return UnusablePhoto(side, str(error))
    return predictor.predict(**photos)


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

    def predict(self, left: bytes, right: bytes) -> Prediction | UnusablePhoto:
        """Send a pair and return the answer; raise WorkerDiedError if the process died."""
        with suppress(OSError):  # it died, perhaps with a last message
            self.connection.send((left, right))
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


class WorkerPool:
    """A fixed number of workers; one that dies is replaced.

    The first replacement starts at once; while the processes of a worker die without an answer, the pauses between
    them double up to `MAX_PAUSE`, so that a machine without memory is not kept busy with starting them. All methods
    but `start` belong to one event loop.

    Args:
        count: number of processes; more than the machine has cores are useless.
    """

    def __init__(self, count: int) -> None:
        # A fork server with the libraries loaded: new processes start fast, and inherit no thread.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self._count = count
        self._workers: set[Worker] = set()  # that run
        self._idle: list[Worker] = []
        self._paused = 0  # workers that died and are not yet started again
        self._changed = asyncio.Event()  # one of the last two has changed
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(count)  # one for each worker: its methods block
        self._closed = False

    def start(self) -> None:
        """Start the first worker.

        Raises:
            ShoepairError: it died.
        """
        worker = Worker(self._context)
        self._workers.add(worker)
        try:
            worker.start()
        except WorkerDiedError as death:
            message = f"serve: the process that predicts cannot start ({death})"
            raise ShoepairError(
                message, fix="if memory is short, free some; then run `shoepair serve` again"
            ) from None

    def open(self) -> None:
        """Offer the first worker, and start the others in the background."""
        for worker in self._workers:
            self._offer(worker)
        for _ in range(self._count - len(self._workers)):
            self._run(self._start_worker())

    async def take(self) -> Worker:
        """Wait for an idle worker and return it; its holder calls `predict` at once.

        Raises:
            WorkerDiedError: all died, and the next ones start only after a pause.
        """
        while not self._idle:
            if self._paused == self._count:
                text = "all workers died"
                raise WorkerDiedError(text)
            self._changed.clear()
            await self._changed.wait()
        worker = self._idle.pop()
        asyncio.get_running_loop().remove_reader(worker.connection)
        return worker

    async def predict(self, worker: Worker, left: bytes, right: bytes) -> Prediction | UnusablePhoto:
        """Predict the verdict for two photos. Cancelling stops the process.

        Raises:
            WorkerDiedError: the process died instead of answering.
        """
        try:
            answer = await self._in_thread(worker.predict, left, right)
        except WorkerDiedError as death:
            self._replace(worker, death)
            raise
        except asyncio.CancelledError:
            self._replace(worker)
            raise
        worker.pause = 0
        self._offer(worker)
        return answer

    def close(self) -> None:
        """Stop all processes."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        self._kill_all()
        self._threads.shutdown()
        self._kill_all()  # one that was being started

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()

    def _offer(self, worker: Worker) -> None:
        """Make a worker idle. If its pipe becomes readable then, the process has died."""
        self._idle.append(worker)
        self._changed.set()
        asyncio.get_running_loop().add_reader(worker.connection, self._handle_idle_death, worker)

    def _handle_idle_death(self, worker: Worker) -> None:
        asyncio.get_running_loop().remove_reader(worker.connection)
        self._idle.remove(worker)
        self._run(self._replace_idle(worker))

    async def _replace_idle(self, worker: Worker) -> None:
        self._replace(worker, await self._in_thread(worker.explain_death))

    def _replace(self, worker: Worker, death: WorkerDiedError | None = None) -> None:
        """Replace a worker that died, after its pause; or one that was stopped, at once."""
        worker.kill()
        self._workers.discard(worker)
        if self._closed:
            return
        if death is None:
            self._run(self._start_worker())
        else:
            logger.warning("a worker died: %s; the next one starts in %d s", death, worker.pause)
            self._run(self._start_worker(worker.pause, min(2 * worker.pause + 1, MAX_PAUSE)))

    async def _start_worker(self, delay: int = 0, pause: int = 0) -> None:
        """Start a worker after a delay; `pause` is the delay of the next one if this one dies without an answer."""
        if delay:
            self._paused += 1
            self._changed.set()
            await asyncio.sleep(delay)
            self._paused -= 1
        worker = Worker(self._context, pause)
        self._workers.add(worker)
        try:
            await self._in_thread(worker.start)
        except WorkerDiedError as death:
            self._replace(worker, death)
        else:
            self._offer(worker)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the background, until `close`."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_thread(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
