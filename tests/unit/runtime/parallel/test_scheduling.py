"""Results in input order: tasks in flight, and retries of tasks whose worker died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel.scheduling import (
    MAX_RETRIES,
    Executor,
    chunked,
    iter_ordered_results,
    retries_exhausted_error,
)


class DiedError(Exception):
    """A worker died."""


def describe(task: int) -> str:
    return f"task {task}"


def dying(times: int, tries: Counter[int]) -> Executor[int, int, int]:
    """Return an executor whose worker dies `times` times at task 2; tries are counted."""

    def submit(task: int) -> int:
        tries[task] += 1
        return task

    def wait_for_result(task: int) -> int:
        if task == 2 and tries[task] <= times:
            raise DiedError
        return task * 10

    return Executor(submit, wait_for_result, 2, DiedError, lambda error: (type(error).__name__, "see the log"))


@pytest.mark.parametrize("times", range(MAX_RETRIES + 1))
def test_task_is_retried_until_its_worker_survives(times: int) -> None:
    tries: Counter[int] = Counter()
    assert list(iter_ordered_results(range(5), dying(times, tries), describe)) == [0, 10, 20, 30, 40]
    assert tries == Counter({0: 1, 1: 1, 2: times + 1, 3: 1, 4: 1})


def test_task_is_given_up_after_the_last_try_and_earlier_results_come() -> None:
    tries: Counter[int] = Counter()
    results = iter_ordered_results(range(5), dying(99, tries), describe)
    assert [next(results), next(results)] == [0, 10]
    with pytest.raises(ShoepairError, match=r"^task 2: given up after 4 tries: DiedError\nsee the log$"):
        next(results)
    assert tries[2] == MAX_RETRIES + 1
    assert tries[4] == 0, "no task is started any more"


def test_error_of_a_task_itself_is_not_retried() -> None:
    started: list[int] = []

    def submit(task: int) -> int:
        started.append(task)
        return task

    def wait_for_result(task: int) -> int:
        raise ZeroDivisionError(task)

    executor = Executor(submit, wait_for_result, 1, DiedError)
    with pytest.raises(ZeroDivisionError, match=r"^0$"):
        list(iter_ordered_results(range(5), executor, describe))
    assert started == [0]


@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_no_task_is_started_earlier_than_needed(number: int, limit: int, taken: int) -> None:
    started: list[int] = []

    def submit(task: int) -> int:
        started.append(task)
        return task

    iterator = iter_ordered_results(range(number), Executor(submit, lambda task: task, limit), describe)
    results = [result for result, _ in zip(iterator, range(taken), strict=False)]
    assert results == list(range(min(taken, number)))
    # zip calls next once more than it yields, unless the tasks are exhausted
    calls = min(taken + 1, number)
    assert started == list(range(min(number, limit + calls - 1) if calls else 0))


def test_message_of_a_given_up_task_counts_its_tries() -> None:
    assert (
        str(retries_exhausted_error("train cnn", "a rank died", "look"))
        == "train cnn: given up after 4 tries: a rank died\nlook"
    )


@given(st.lists(st.integers()), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_chunks_are_the_items_and_all_but_the_last_are_full(items: list[int], size: int) -> None:
    chunks = list(chunked(iter(items), size))
    assert [item for chunk in chunks for item in chunk] == items
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(1 <= len(chunk) <= size for chunk in chunks)


def test_chunks_consume_no_more_items_than_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    assert next(chunked(items(), 3)) == [0, 1, 2]
    assert taken == [0, 1, 2]
