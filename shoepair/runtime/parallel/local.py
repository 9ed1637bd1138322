"""Runs tasks in parallel on this machine, in threads or processes.

Few tasks run in threads, which start at no cost; many run in one process per core, since the Python code between calls
into Pillow and numpy holds the interpreter's lock. Tasks with declared resources, such as trainings, run in as many
processes as fit, since torch's number of threads is per process; if one fits, in this process.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from shoepair.runtime import interruption, progress
from shoepair.runtime.cores import count_cores
from shoepair.runtime.parallel.scheduling import TASKS_PER_SLOT, Executor, Resources, iter_ordered_results

# Up to this number threads are faster: starting processes costs each core about two seconds, as much as two to eight
# tasks of 48 photos. On 2 cores processes took 1.5 to 3.5 times as long for 10 tasks, 1.2 to 2.5 times for 20.
MAX_THREAD_TASKS = 64
MAX_THREADS = 4  # each may hold the largest photo, a third of a gigabyte

Task = TypeVar("Task")
Result = TypeVar("Result")


def imap_ordered(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    describe_lost_task: Callable[[Task], str],
    resources: Resources | None,
) -> Iterator[Result]:
    """Run `parallel.imap_ordered` on this machine, in threads or processes."""
    slots = _count_slots(resources) if resources else count_cores()
    if len(tasks) == 1 or (resources and slots == 1):
        return map(function, tasks)
    if resources is None and len(tasks) <= MAX_THREAD_TASKS:
        return _map_in_threads(function, tasks, describe_lost_task)
    return _map_in_processes(function, tasks, describe_lost_task, min(slots, len(tasks)))


def _count_slots(resources: Resources) -> int:
    """Count how many tasks fit on this machine at a time."""
    if resources.uses_accelerator:
        return 1
    import psutil  # imported late, like pebble: most stages need neither

    size = resources.memory_bytes
    by_memory = psutil.virtual_memory().available // size if size else count_cores()
    return max(1, min(count_cores() // resources.cores, by_memory))


def _map_in_threads(
    function: Callable[[Task], Result], tasks: Sequence[Task], describe: Callable[[Task], str]
) -> Iterator[Result]:
    threads = min(count_cores(), MAX_THREADS)
    pool = ThreadPoolExecutor(threads)

    def start(task: Task) -> Future[Result]:
        return pool.submit(function, task)

    try:
        yield from iter_ordered_results(tasks, Executor(start, Future.result, TASKS_PER_SLOT * threads), describe)
    finally:
        pool.shutdown(cancel_futures=True)


def _map_in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], describe: Callable[[Task], str], process_count: int
) -> Iterator[Result]:
    from pebble import ProcessExpired, ProcessPool

    # Spawned: a fork would inherit the threads that libraries have started, and the locks these hold.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(max_workers=process_count, initializer=_initialize_worker, context=context)
    with interruption.keep_from_children():
        assert pool.active  # asked, it starts its threads, which start the processes

    def start(task: Task) -> Future[Result]:
        return pool.schedule(function, args=(task,))

    try:
        workers = Executor(start, Future.result, TASKS_PER_SLOT * process_count, ProcessExpired, _explain_death)
        yield from iter_ordered_results(tasks, workers, describe)
    finally:
        pool.stop()  # type: ignore[no-untyped-call]  # of pebble
        pool.join()


def _explain_death(error: Exception) -> tuple[str, str]:
    fix = "check the system log for an out-of-memory kill, then run the command again"
    return f"its process died ({error})", fix


def _initialize_worker() -> None:
    progress.disable_bars()
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """End this process when its parent has ended, also if killed: a training would go on for minutes."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
