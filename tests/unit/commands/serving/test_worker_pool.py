"""A pool of workers that are fake ones and die."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from shoepair.commands.serving import worker_pool
from shoepair.commands.serving.predictor import NOT_SURE_VERDICT, Prediction
from shoepair.commands.serving.worker_pool import WorkerPool
from shoepair.commands.serving.workers import Answer, WorkerDiedError
from shoepair.runtime.errors import ShoepairError

ANSWER = Prediction(NOT_SURE_VERDICT, 1.0, (), ())


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

    def predict(self, photos: dict[str, bytes]) -> Prediction:
        left = photos["left"]
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

    monkeypatch.setattr(worker_pool, "Worker", FakeWorker)
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


async def predict(pool: WorkerPool, left: bytes = b"") -> Answer:
    return await pool.predict(await pool.take(), {"left": left, "right": b""})


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


def test_pool_that_is_closed_while_its_idle_workers_end_starts_none(
    caplog: pytest.LogCaptureFixture, pauses: list[float]
) -> None:
    async def use(pool: WorkerPool) -> None:
        pool.close()  # kills them: their pipes become readable, and the loop tells the pool so
        await wait_until(lambda: not pool._idle)

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
