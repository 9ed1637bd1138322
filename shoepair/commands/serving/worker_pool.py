"""The pool of worker processes (workers.py): a fixed number; one that dies is replaced."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from shoepair.commands.serving.workers import Answer, Photos, Worker, WorkerDiedError
from shoepair.runtime.errors import ShoepairError

MAX_PAUSE = 30  # seconds before a process is replaced, if those before it died without an answer

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


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

    async def predict(self, worker: Worker, photos: Photos) -> Answer:
        """Predict the verdict for two photos, or look at one. Cancelling stops the process.

        Raises:
            WorkerDiedError: the process died instead of answering.
        """
        try:
            answer = await self._in_thread(worker.predict, photos)
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
        if self._closed:  # it was killed by `close`, whose threads have ended
            return
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
