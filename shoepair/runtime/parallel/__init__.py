"""Where work in pieces is done: on this machine, or on a Ray cluster. What comes out does not depend on it.

The environment variable `SHOEPAIR_ENGINE` chooses: `local` (the default) or `ray`. It is no parameter, since it
changes no output. Of this package, other modules use what stands here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import launch, local, ray_cluster
from shoepair.runtime.parallel.scheduling import Room as Room

SWITCH = "SHOEPAIR_ENGINE"
ENGINES = {"local": local.ordered, "ray": ray_cluster.ordered}
RANKS = "SHOEPAIR_RANKS"
STARTED = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}  # variables that torchrun sets
GROUPS = {"local": launch.here, "ray": launch.on_ray}

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_here = ContextVar("here", default=False)


def ordered(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    *,
    tell: Callable[[Piece], str],
    room: Room | None = None,
) -> Iterator[Result]:
    """Do the same to every piece, several at a time.

    About two pieces per core are under way or waiting to be taken: what is in memory does not grow with their number.

    Args:
        work: what is done to a piece; other processes must be able to import it. What it raises comes out as it is.
        pieces: can be pickled, like `work` and what it returns.
        tell: names a piece in a message, such as "data/raw/winter: photos u001_1_left_m.jpg ... u008_3_right_w.jpg".
        room: what a piece takes, where `work` starts threads itself; such pieces never share a process at one time.

    Yields:
        What `work` returns, in the order of the pieces.

    Raises:
        ShoepairError: there is no such engine; or a piece was given up, since its process died again and again.
    """
    yield from ENGINES[_chosen()](work, pieces, tell, room)


def together(work: Callable[[], Result], name: str, *, cores: int, gpus: bool) -> Result:
    """Do one work in as many processes as `SHOEPAIR_RANKS` says, called ranks, which talk to each other.

    Args:
        work: each rank does all of it, and asks `ranks` for its part; where one dies all begin anew, at most three
            times. Other processes must be able to import it. One rank, or one that torchrun started, calls it here.
        name: of the work, such as "train cnn".
        cores: CPU cores that a rank takes.
        gpus: whether each takes an accelerator too.

    Returns:
        What the first rank returns.

    Raises:
        ShoepairError: there is no room for so many ranks; or they were given up.
    """
    number = os.environ.get(RANKS) or "1"
    if not number.isdecimal() or int(number) < 1:
        found = f"{RANKS}={number}: expected a number of processes, 1 or more"
        raise ShoepairError(found, fix=f"unset it, or set `{RANKS}=1`")
    if number == "1" or os.environ.keys() >= STARTED:
        return work()
    return GROUPS[_chosen()](work, name, int(number), cores, gpus=gpus)


def _chosen() -> str:
    engine = "local" if _here.get() else os.environ.get(SWITCH) or "local"
    if engine not in ENGINES:
        found = f"{SWITCH}={engine}: no such engine, expected {' or '.join(ENGINES)}"
        raise ShoepairError(found, fix=f"unset it, or set `{SWITCH}=local`")
    return engine


@contextmanager
def here() -> Iterator[None]:
    """Within this block all work stays on this machine: for files that other machines cannot see."""
    token = _here.set(True)
    try:
        yield
    finally:
        _here.reset(token)
