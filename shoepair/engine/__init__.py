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

from shoepair.engine import cluster, local
from shoepair.errors import ShoepairError

SWITCH = "SHOEPAIR_ENGINE"
ENGINES = {"local": local.ordered, "ray": cluster.ordered}

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_here = ContextVar("here", default=False)


def ordered(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    *,
    tell: Callable[[Piece], str],
    cores: int | None = None,
) -> Iterator[Result]:
    """Do the same to every piece, several at a time.

    About two pieces per core are under way or waiting to be taken: what is in memory does not grow with their number.

    Args:
        work: what is done to a piece; other processes must be able to import it. What it raises comes out as it is.
        pieces: can be pickled, like `work` and what it returns.
        tell: names a piece in a message, such as "data/raw/winter: photos u001_1_left_m.jpg ... u008_3_right_w.jpg".
        cores: CPU cores that a piece takes, where `work` starts threads itself; such pieces never share a process.

    Yields:
        What `work` returns, in the order of the pieces.

    Raises:
        ShoepairError: there is no such engine; or a piece was given up, since its process died again and again.
    """
    engine = "local" if _here.get() else os.environ.get(SWITCH) or "local"
    if engine not in ENGINES:
        found = f"{SWITCH}={engine}: no such engine, expected {' or '.join(ENGINES)}"
        raise ShoepairError(found, fix=f"unset it, or set `{SWITCH}=local`")
    yield from ENGINES[engine](work, pieces, tell, cores)


@contextmanager
def here() -> Iterator[None]:
    """Within this block all work stays on this machine: for files that other machines cannot see."""
    token = _here.set(True)
    try:
        yield
    finally:
        _here.reset(token)
