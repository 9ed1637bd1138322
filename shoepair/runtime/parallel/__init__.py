"""Runs tasks in parallel, on this machine or on a Ray cluster; results do not depend on which.

The environment variable `SHOEPAIR_ENGINE` selects `local` (the default) or `ray`. It is no parameter, since it
changes no output. Other packages use `imap_ordered`, `run_ranks` and `force_local`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from shoepair.runtime import stage_inputs
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import launch, local, ray_cluster
from shoepair.runtime.parallel.scheduling import Resources as Resources

ENGINE_VARIABLE = "SHOEPAIR_ENGINE"
MAP_BY_ENGINE = {"local": local.imap_ordered, "ray": ray_cluster.imap_ordered}
RANKS_VARIABLE = "SHOEPAIR_RANKS"
TORCHRUN_VARIABLES = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}  # set by torchrun
RUN_RANKS_BY_ENGINE = {"local": launch.run_ranks_locally, "ray": launch.run_ranks_on_ray}

Task = TypeVar("Task")
Result = TypeVar("Result")

_local_forced = ContextVar("local_forced", default=False)


def imap_ordered(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    describe_lost_task: Callable[[Task], str],
    resources: Resources | None = None,
) -> Iterator[Result]:
    """Run a function on every task in parallel and yield the results in input order.

    About two tasks per core are in flight, so memory does not grow with their number.

    Args:
        function: runs one task; other processes must be able to import it. Its exceptions are raised unchanged.
        tasks: picklable, like `function` and its results.
        describe_lost_task: names a task in messages, such as
            "data/raw/winter: photos u001_1_left_m.jpg ... u008_3_right_w.jpg".
        resources: what one task takes, if `function` starts threads itself; such tasks never share a process.

    Yields:
        The results of `function`, in the order of `tasks`.

    Raises:
        ShoepairError: the engine is unknown, or the worker of a task died at every try; or what the running stage
            depends on has changed.
    """
    for result in MAP_BY_ENGINE[_engine_name()](function, tasks, describe_lost_task, resources):
        stage_inputs.current().check_between_pieces()
        yield result


def run_ranks(function: Callable[[], Result], name: str, *, cores_per_rank: int, use_gpu: bool) -> Result:
    """Run a function in `SHOEPAIR_RANKS` processes (ranks) and return the first rank's result.

    Args:
        function: runs in every rank and takes its part from `models.distributed`. If a rank dies all restart, at most
            three times. Other processes must be able to import it. A single rank, or one started by torchrun, runs it
            in this process.
        name: of the run, such as "train cnn".
        cores_per_rank: CPU cores that a rank takes.
        use_gpu: whether each rank takes an accelerator too.

    Returns:
        The result of the first rank.

    Raises:
        ShoepairError: there are too few cores or nodes for so many ranks, or ranks died at every try.
    """
    number = os.environ.get(RANKS_VARIABLE) or "1"
    if not number.isdecimal() or int(number) < 1:
        message = f"{RANKS_VARIABLE}={number}: expected a number of processes, 1 or more"
        raise ShoepairError(message, fix=f"unset it, or set `{RANKS_VARIABLE}=1`")
    if number == "1" or os.environ.keys() >= TORCHRUN_VARIABLES:
        return function()
    return RUN_RANKS_BY_ENGINE[_engine_name()](function, name, int(number), cores_per_rank, use_gpu=use_gpu)


def is_distributed() -> bool:
    """Return whether stages use several processes or machines each, by the environment of this process."""
    return _engine_name() != "local" or (os.environ.get(RANKS_VARIABLE) or "1") != "1"


def _engine_name() -> str:
    engine = "local" if _local_forced.get() else os.environ.get(ENGINE_VARIABLE) or "local"
    if engine not in MAP_BY_ENGINE:
        message = f"{ENGINE_VARIABLE}={engine}: no such engine, expected {' or '.join(MAP_BY_ENGINE)}"
        raise ShoepairError(message, fix=f"unset it, or set `{ENGINE_VARIABLE}=local`")
    return engine


@contextmanager
def force_local() -> Iterator[None]:
    """Run all tasks of this block on this machine, for files that other machines cannot see."""
    token = _local_forced.set(True)
    try:
        yield
    finally:
        _local_forced.reset(token)
