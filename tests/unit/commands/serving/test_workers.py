"""Workers: what a process does, done by this one; and a pool whose workers are fake ones that die."""

from __future__ import annotations

import asyncio
import contextlib
import io
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from support.field import EDGE

from benchmarks.costly_photos import make_jpeg
from shoepair.commands.serving import workers
from shoepair.commands.serving.predictor import NOT_SURE_VERDICT, Prediction, ShoePhoto
from shoepair.commands.serving.workers import UnusablePhoto, Worker, WorkerDiedError, WorkerPool
from shoepair.ingestion import decoding
from shoepair.runtime import interruption
from shoepair.runtime.errors import ShoepairError

ANSWER = Prediction(NOT_SURE_VERDICT, 1.0, (), ())


class FakePredictor:
    """Returns whether the left one of two plain photos is the lighter one."""

    def prepare_photo(self, source: Path | bytes, max_pixels: int) -> ShoePhoto:
        return ShoePhoto(decoding.decode_photo(source, EDGE, max_pixels).pixels)

    def predict(self, left: ShoePhoto, right: ShoePhoto) -> Prediction:
        return Prediction(NOT_SURE_VERDICT, float(left.pixels.mean() > right.pixels.mean()), (), ())


@pytest.fixture(autouse=True)
def _predictor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker would do to this process, it does not."""
    monkeypatch.setattr(workers, "load_predictor", FakePredictor)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: {1: None}[count])


def photo(grey: int, edge: int = 40) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (edge, edge), (grey, grey, grey)).save(file, "PNG")
    return file.getvalue()


def run_worker(*pairs: tuple[bytes, bytes]) -> list[Any]:
    """Run a worker in this process until its pipe ends, and return what it sends."""
    ours, theirs = multiprocessing.Pipe()
    for pair in pairs:
        ours.send(pair)
    with socket.socket(fileno=os.dup(ours.fileno())) as half:
        half.shutdown(socket.SHUT_WR)
    with contextlib.suppress(SystemExit):
        workers._run_worker(theirs)
    theirs.close()
    messages = []
    while ours.poll():
        try:
            messages.append(ours.recv())
        except EOFError:
            break
    return messages


def test_left_photo_is_passed_as_the_left_one() -> None:
    light, dark = photo(200), photo(100)
    lighter, darker = (Prediction(NOT_SURE_VERDICT, score, (), ()) for score in (1.0, 0.0))
    assert run_worker((light, dark), (dark, light)) == [None, lighter, darker]


@pytest.mark.parametrize(
    ("left", "right", "side", "reason"),
    [
        (b"GIF89a", photo(1), "left", "not a JPEG, HEIC, PNG, WebP or AVIF image"),
        (photo(1), b"", "right", "cannot be decoded (the file is empty)"),
        (b"", b"GIF89a", "left", "cannot be decoded (the file is empty)"),
        (photo(1), make_jpeg(8_000, 2000, 1500), "right", "8,000 scans of 2000 x 1500 pixels, expected 366 at most"),
        (photo(1), photo(1, 65), "right", "65 x 65 pixels, expected 0 million at most"),
    ],
)
def test_photo_that_cannot_be_used_is_named_the_left_one_first(
    monkeypatch: pytest.MonkeyPatch, left: bytes, right: bytes, side: str, reason: str
) -> None:
    monkeypatch.setattr(workers, "MAX_PIXELS", 64 * 64)
    _, result = run_worker((left, right))
    assert isinstance(result, UnusablePhoto)
    assert (result.side, reason in result.reason) == (side, True), result.reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "MemoryError"),
        (RuntimeError("DefaultCPUAllocator:\n no memory"), "RuntimeError DefaultCPUAllocator: no memory"),
        (ShoepairError("no model", fix="train one"), "ShoepairError no model train one"),
    ],
)
@pytest.mark.parametrize("name", ["load_predictor", "_predict"])
def test_worker_that_cannot_go_on_says_why_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, text: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(workers, name, fail)
    *_, death = run_worker(*([(b"", b"")] if name == "_predict" else []))
    assert isinstance(death, WorkerDiedError)
    assert str(death) == text


class ThreadContext:
    """Starts threads instead of processes; `exitcode` is what one of them ends with."""

    Pipe = staticmethod(multiprocessing.Pipe)
    exitcode: int | None = 1

    def Process(self, target: Callable[[Connection], None], args: tuple[Connection], daemon: bool) -> Any:  # noqa: N802
        ours = Connection(os.dup(args[0].fileno()))  # as a process gets it: the other one is closed here

        def run() -> None:
            with ours:
                target(ours)

        thread: Any = threading.Thread(target=run, daemon=daemon)
        thread.exitcode = self.exitcode
        return thread


def test_worker_is_started_when_its_model_is_loaded_and_then_answers() -> None:
    worker = Worker(ThreadContext())
    worker.start()
    assert worker.predict(photo(200), photo(100)) == ANSWER
    worker.connection.close()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-signal.SIGKILL, "killed by SIGKILL, perhaps for want of memory"),
        (-signal.SIGSEGV, "killed by SIGSEGV"),
        (3, "exit status 3"),
        (None, "exit status None"),
    ],
)
def test_death_is_described(monkeypatch: pytest.MonkeyPatch, code: int | None, text: str) -> None:
    context = ThreadContext()
    context.exitcode = code
    monkeypatch.setattr(workers, "_run_worker", lambda connection: connection.send(None))
    worker = Worker(context)
    worker.start()
    with pytest.raises(WorkerDiedError) as death:
        worker.predict(b"", b"")
    assert str(death.value) == text == str(worker.explain_death())


@pytest.mark.parametrize("error", [OSError(11, "Resource temporarily unavailable"), EOFError()])
def test_process_that_cannot_be_started_is_a_death(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_: threading.Thread) -> None:
        raise error

    monkeypatch.setattr(threading.Thread, "start", fail)
    worker = Worker(ThreadContext())
    with pytest.raises(WorkerDiedError, match=r"^no new process: "):
        worker.start()
    worker.kill()


def test_workers_are_started_with_ctrl_c_and_term_blocked() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with interruption.block_signals(signal.SIGINT, signal.SIGTERM):
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | {signal.SIGINT, signal.SIGTERM}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


class FakeWorker:
    """Answers at once; dies when told to."""

    alive: list[FakeWorker] = []  # noqa: RUF012  # a fixture empties it
    starts_that_fail = 0

    def __init__(self, _: object, pause: int = 0) -> None:
        self.pause = pause
        self.connection, self.far_end = multiprocessing.Pipe()
        self.is_stuck = threading.Event()

    def start(self) -> None:
        if FakeWorker.starts_that_fail:
            FakeWorker.starts_that_fail -= 1
            raise WorkerDiedError("at its start")  # noqa: EM101
        FakeWorker.alive.append(self)

    def predict(self, left: bytes, _: bytes) -> Prediction:
        if left == b"stuck":
            self.is_stuck.wait()
        if self not in FakeWorker.alive:
            raise WorkerDiedError("at work")  # noqa: EM101
        return ANSWER

    def explain_death(self) -> WorkerDiedError:
        return WorkerDiedError("idle")

    def kill(self) -> None:
        """Kill the worker, as the pool does and the system may."""
        if self in FakeWorker.alive:
            FakeWorker.alive.remove(self)
        self.far_end.close()
        self.is_stuck.set()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let pools have fake workers, and record the pauses before their starts instead of waiting."""
    record: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread() and seconds != 0.001:
            record.append(seconds)
        await real_sleep(0.001)

    monkeypatch.setattr(workers, "Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "alive", [])
    monkeypatch.setattr(FakeWorker, "starts_that_fail", 0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return record


def use_pool(count: int, use: Callable[[WorkerPool], Coroutine[Any, Any, None]]) -> None:
    """Start a pool of fake workers, use it, and check that closing it leaves none."""

    async def run() -> None:
        pool.open()
        await wait_until(lambda: len(FakeWorker.alive) == count)
        await use(pool)
        pool.close()

    pool = WorkerPool(count)
    pool.start()
    asyncio.run(run())
    assert FakeWorker.alive == []


async def wait_until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not claim():
            await asyncio.sleep(0.001)


async def predict(pool: WorkerPool, left: bytes = b"") -> Prediction | UnusablePhoto:
    return await pool.predict(await pool.take(), left, b"")


def test_worker_that_dies_idle_is_replaced_before_it_is_needed(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    async def use(pool: WorkerPool) -> None:
        first = list(FakeWorker.alive)
        for worker in first:
            worker.kill()
        await wait_until(lambda: len(FakeWorker.alive) == 3)
        assert not set(first) & set(FakeWorker.alive)
        assert [await predict(pool) for _ in range(9)] == 9 * [ANSWER]

    use_pool(3, use)
    assert caplog.messages == 3 * ["a worker died: idle; the next one starts in 0 s"]
    assert pauses == []


def test_worker_that_dies_at_work_costs_one_request(caplog: pytest.LogCaptureFixture, pauses: list[float]) -> None:
    async def use(pool: WorkerPool) -> None:
        for _ in range(5):
            stuck = asyncio.create_task(predict(pool, b"stuck"))
            await wait_until(lambda: len(pool._idle) == 1)
            assert await predict(pool) == ANSWER, "the other worker is not concerned"
            idle: list[Any] = pool._idle
            next(worker for worker in FakeWorker.alive if worker not in idle).kill()
            with pytest.raises(WorkerDiedError, match="at work"):
                await stuck
            await wait_until(lambda: len(pool._idle) == 2)

    use_pool(2, use)
    assert len(caplog.messages) == 5
    assert set(caplog.messages) <= {f"a worker died: at work; the next one starts in {s} s" for s in (0, 1, 3, 7, 15)}
    assert pauses == sorted(set(pauses)), "longer each time"


def test_worker_that_takes_too_long_is_stopped_and_replaced_at_once(
    caplog: pytest.LogCaptureFixture, pauses: list[float]
) -> None:
    async def use(pool: WorkerPool) -> None:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await predict(pool, b"stuck")
            assert await predict(pool) == ANSWER

    use_pool(1, use)
    assert caplog.messages == []
    assert pauses == []


def test_pauses_grow_while_workers_die_without_an_answer_and_only_then(
    caplog: pytest.LogCaptureFixture, pauses: list[float]
) -> None:
    async def use(pool: WorkerPool) -> None:
        for starts_that_fail in (7, 0):
            FakeWorker.starts_that_fail = starts_that_fail
            (worker,) = pool._idle
            worker.kill()
            while pool._idle in ([], [worker]):
                await asyncio.sleep(0.001)
            assert await predict(pool) == ANSWER

    use_pool(1, use)
    assert pauses == [1, 3, 7, 15, 30, 30, 30]
    assert len(caplog.messages) == 9


def test_request_without_any_worker_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    async def use(pool: WorkerPool) -> None:
        async def never(_: float) -> None:
            await asyncio.Event().wait()

        stuck = asyncio.create_task(predict(pool, b"stuck"))
        await wait_until(lambda: not pool._idle)
        waiting = asyncio.create_task(predict(pool))
        await asyncio.sleep(0.001)
        monkeypatch.setattr(asyncio, "sleep", never)
        FakeWorker.starts_that_fail = 1
        FakeWorker.alive[0].kill()
        for task in (stuck, waiting, asyncio.create_task(predict(pool))):
            with pytest.raises(WorkerDiedError):
                await task

    use_pool(1, use)
    assert pauses == []


def test_pool_that_is_closed_at_work_starts_no_worker(caplog: pytest.LogCaptureFixture, pauses: list[float]) -> None:
    async def use(pool: WorkerPool) -> None:
        stuck = [asyncio.create_task(predict(pool, b"stuck")) for _ in range(2)]
        await wait_until(lambda: not pool._idle)
        pool.close()
        assert [type(error) for error in await asyncio.gather(*stuck, return_exceptions=True)] == 2 * [WorkerDiedError]

    use_pool(2, use)
    assert caplog.messages == []
    assert pauses == []


def test_first_worker_that_dies_is_an_error(pauses: list[float]) -> None:
    FakeWorker.starts_that_fail = 1
    pool = WorkerPool(2)
    with pytest.raises(
        ShoepairError, match=r"^serve: the process that predicts cannot start \(at its start\)"
    ) as error:
        pool.start()
    assert error.value.fix.endswith("run `shoepair serve` again")
    pool.close()
    assert pauses == []
