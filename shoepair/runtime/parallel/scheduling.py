"""Schedules tasks for both engines: results in input order, few tasks in flight, retries after a worker's death."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from shoepair.runtime.errors import ShoepairError

TASKS_PER_SLOT = 2  # tasks in flight: running, or done and not yet consumed
MAX_RETRIES = 3  # of a task whose worker died

Task = TypeVar("Task")
Handle = TypeVar("Handle")
Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Resources:
    """CPU cores, memory and accelerator that one task takes.

    Args:
        cores: CPU cores, for threads that the task starts itself.
        memory_bytes: approximate; used on this machine only, Ray watches the memory of its nodes itself.
        uses_accelerator: whether it takes one. This machine runs one such task at a time, Ray one per NVIDIA GPU.
    """

    cores: int
    memory_bytes: int = 0
    uses_accelerator: bool = False


@dataclass(frozen=True)
class Executor(Generic[Task, Handle, Result]):
    """An executor: how to start a task, wait for its result, and explain a worker's death.

    Args:
        submit: starts a task and returns a handle at once.
        wait_for_result: returns the result of a handle, or raises the exception of its task.
        max_in_flight: tasks that may be started and not yet consumed, 1 or more.
        death_errors: exceptions of `wait_for_result` that mean that a worker died.
        explain_death: returns the reason and the fix that the user reads.
    """

    submit: Callable[[Task], Handle]
    wait_for_result: Callable[[Handle], Result]
    max_in_flight: int
    death_errors: type[Exception] | tuple[()] = ()
    explain_death: Callable[[Exception], tuple[str, str]] = lambda error: (str(error), "")


def iter_ordered_results(
    tasks: Iterable[Task], executor: Executor[Task, Handle, Result], describe: Callable[[Task], str]
) -> Iterator[Result]:
    """Yield results in input order; bound the tasks in flight and retry tasks whose worker died.

    Args:
        tasks: in the order of the results.
        executor: runs them.
        describe: names a task in messages.

    Raises:
        ShoepairError: the worker of a task died at every try.
    """
    started: deque[tuple[Task, Handle]] = deque()
    for task in tasks:
        started.append((task, executor.submit(task)))
        if len(started) >= executor.max_in_flight:
            yield _result_with_retries(*started.popleft(), executor, describe)
    while started:
        yield _result_with_retries(*started.popleft(), executor, describe)


def _result_with_retries(
    task: Task, handle: Handle, executor: Executor[Task, Handle, Result], describe: Callable[[Task], str]
) -> Result:
    """Wait for the result of a task; start it again if its worker died."""
    for _ in range(MAX_RETRIES):
        try:
            return executor.wait_for_result(handle)
        except executor.death_errors:
            handle = executor.submit(task)
    try:
        return executor.wait_for_result(handle)
    except executor.death_errors as error:
        raise retries_exhausted_error(describe(task), *executor.explain_death(error)) from None


def retries_exhausted_error(task_name: str, reason: str, fix: str) -> ShoepairError:
    """Return the ShoepairError for a task whose worker died at every try."""
    return ShoepairError(f"{task_name}: given up after {MAX_RETRIES + 1} tries: {reason}", fix=fix)


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `size`, the last one shorter (`itertools.batched` of Python 3.12)."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
