"""Parallel tasks on this machine: bounded tasks in flight, names of tasks in messages, choice of the engine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoepair.ingestion import file_manifest, parallel_decoding
from shoepair.runtime import parallel, storage
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import scheduling


def square(number: int) -> int:
    return number * number


def describe(task: object) -> str:
    return f"task {task}"


@given(st.integers(0, 30), st.integers(1, 8))
def test_no_more_tasks_are_in_flight_than_allowed(number: int, limit: int) -> None:
    in_flight: set[int] = set()

    def submit(task: int) -> int:
        in_flight.add(task)
        assert len(in_flight) <= limit
        return task

    def wait_for_result(handle: int) -> int:
        in_flight.remove(handle)
        return handle

    executor = scheduling.Executor(submit, wait_for_result, limit)
    assert list(scheduling.iter_ordered_results(range(number), executor, describe)) == list(range(number))
    assert not in_flight


def test_message_names_the_photos_of_a_task() -> None:
    files = [Path("data/raw/winter/train") / f"u00{number}_1_left_m.jpg" for number in (1, 2)]
    assert (
        parallel_decoding._describe_chunk([storage.PhotoFile(path, 1, "") for path in files])
        == "data/raw/winter/train: photos u001_1_left_m.jpg ... u002_1_left_m.jpg"
    )
    assert (
        file_manifest._describe_chunk(files) == "data/raw/winter/train: files u001_1_left_m.jpg ... u002_1_left_m.jpg"
    )


def test_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parallel.ENGINE_VARIABLE, "spark")
    with pytest.raises(ShoepairError, match="SHOEPAIR_ENGINE=spark: no such engine, expected local or ray"):
        list(parallel.imap_ordered(square, range(3), describe_lost_task=describe))
    with parallel.force_local():
        assert list(parallel.imap_ordered(square, range(3), describe_lost_task=describe)) == [0, 1, 4]


def test_missing_ray_is_reported_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parallel.ENGINE_VARIABLE, "ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ShoepairError, match=r"Ray is not installed\ninstall it: `pip install -e '\.\[ray\]'`"):
        list(parallel.imap_ordered(square, range(3), describe_lost_task=describe))
