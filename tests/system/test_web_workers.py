"""Workers of `shoepair serve` that die in every way, and that none is left behind."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import psutil
import pytest
from support import usage
from support.field import wait_for
from support.forms import asked, photos

from shoepair.commands.serving import uploads

SERVER_LOG = "server.log"
DIED = "a worker died: "
DIED_MESSAGE = "The photos could not be processed. Try again in a few seconds, or with smaller ones."


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[usage.Served]:
    """A server with one worker."""
    folder = tmp_path_factory.mktemp("served")
    with usage.serving(folder, max_requests=1, log=folder / SERVER_LOG) as server:
        yield server


@pytest.fixture
def logged(served: usage.Served) -> Callable[[], list[str]]:
    """Function that returns the lines that the server has logged in this test."""
    before = (served.folder / SERVER_LOG).read_text().count("\n")
    return lambda: (served.folder / SERVER_LOG).read_text().splitlines()[before:]


def fork_server(served: usage.Served) -> psutil.Process:
    (found,) = [
        child for child in psutil.Process(served.process.pid).children() if "forkserver" in str(child.cmdline())
    ]
    return found


def worker(served: usage.Served) -> psutil.Process | None:
    """The worker, if it runs."""
    running = [child for child in fork_server(served).children() if child.status() != psutil.STATUS_ZOMBIE]
    return running[0] if running else None


def answer(served: usage.Served) -> int:
    """Ask until the answer is another one than 503, and return its status."""
    statuses: list[int] = []

    def is_answered() -> bool:
        statuses.append(asked(served, *photos(served))[0])
        return statuses[-1] != 503

    wait_for(is_answered)
    return statuses[-1]


def current_worker(served: usage.Served) -> psutil.Process:
    assert answer(served) == 200  # it is idle now
    found = worker(served)
    assert found is not None
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_idle_worker_that_dies_is_replaced_and_logged_in_one_line(
    served: usage.Served, logged: Callable[[], list[str]], number: signal.Signals
) -> None:
    for _ in range(3):
        current_worker(served).send_signal(number)
        assert answer(served) == 200
    lines = logged()
    assert len(lines) == 3
    assert all(line.startswith(f"{DIED}killed by {number.name}") for line in lines), lines


def test_worker_that_dies_at_work_costs_its_request_only(
    served: usage.Served, logged: Callable[[], list[str]]
) -> None:
    with ThreadPoolExecutor() as threads:
        for _ in range(2):
            found = current_worker(served)
            found.suspend()
            requests = [threads.submit(asked, served, *photos(served)) for _ in range(2)]
            refused = next(as_completed(requests))  # the other one is at work
            assert refused.result()[1]["error"] == uploads.BUSY_MESSAGE
            found.kill()
            requests.remove(refused)
            status, document = requests[0].result()
            assert status == 503
            assert document["error"] == DIED_MESSAGE
            assert answer(served) == 200
    assert [line.startswith(DIED) for line in logged()] == [True, True]


def test_worker_that_dies_at_its_start_is_started_again_after_pauses(
    served: usage.Served, logged: Callable[[], list[str]]
) -> None:
    first = current_worker(served)
    first.kill()
    killed = {first.pid}
    while len(killed) < 3:
        found = worker(served)
        if found and found.pid not in killed:
            found.kill()
            killed.add(found.pid)
    assert answer(served) == 200
    pauses = [line.rpartition("the next one starts in ")[2] for line in logged()]
    assert pauses == ["0 s", "1 s", "3 s"]


def test_worker_without_memory_says_so(served: usage.Served, logged: Callable[[], list[str]]) -> None:
    found = current_worker(served)
    resource.prlimit(found.pid, resource.RLIMIT_AS, (2**20, 2**20))
    large = bytes(uploads.MAX_PHOTO_BYTES)
    status, document = asked(served, large, large)
    assert (status, document["error"]) == (503, DIED_MESSAGE)
    assert answer(served) == 200
    (line,) = logged()
    assert line.startswith(f"{DIED}MemoryError")


@pytest.mark.parametrize("with_worker", [True, False])
def test_fork_server_that_dies_is_replaced_when_it_is_needed(served: usage.Served, with_worker: bool) -> None:
    found = current_worker(served)
    fork_server(served).kill()
    if with_worker:
        found.kill()
    assert answer(served) == 200
    if not with_worker:
        assert found.is_running(), "the worker goes on"
        found.kill()
        assert answer(served) == 200
    assert worker(served) != found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_server(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / SERVER_LOG
    with usage.serving(tmp_path, log=log, quiet=False) as served:
        assert asked(served, *photos(served))[0] == 200
        members = psutil.Process(served.process.pid).children(recursive=True)
        assert len(members) >= 3, "a tracker, the fork server and workers"
        if number == signal.SIGKILL:
            served.process.kill()
        else:
            os.killpg(served.process.pid, number)  # as a terminal does, and as a service manager may
        served.process.wait(60)
        _, left = psutil.wait_procs(members, 30)
        assert left == []
    assert log.read_text() == ""
    assert served.process.returncode == (0 if number == signal.SIGINT else -number)
