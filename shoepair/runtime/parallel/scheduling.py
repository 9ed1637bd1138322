"""What both engines share: pieces in order, few at a time, each tried again when its process dies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from shoepair.runtime.errors import ShoepairError

AHEAD = 2  # pieces per core that are under way, or done and not yet taken
RETRIES = 3  # of a piece whose process died

Piece = TypeVar("Piece")
Handle = TypeVar("Handle")
Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Room:
    """What a piece takes of a machine, where that is more than a share of a core.

    Args:
        cores: CPU cores, for threads that the work starts itself.
        memory: bytes, roughly; counted on this machine, Ray looks after its nodes' memory itself.
        accelerator: whether it takes one. This machine does such pieces one after the other, a cluster as many at a
            time as it has NVIDIA's.
    """

    cores: int
    memory: int = 0
    accelerator: bool = False


@dataclass(frozen=True)
class Workers(Generic[Piece, Handle, Result]):
    """Who does the work.

    Args:
        start: begins a piece and returns at once.
        take: waits for what was started, and returns the result or raises what the work raised.
        most: pieces that may be started and not yet taken, 1 or more.
        died: what `take` raises where a process died.
        why: what a user is told of that, and what to do.
    """

    start: Callable[[Piece], Handle]
    take: Callable[[Handle], Result]
    most: int
    died: type[Exception] | tuple[()] = ()
    why: Callable[[Exception], tuple[str, str]] = lambda error: (str(error), "")


def in_order(
    pieces: Iterable[Piece], workers: Workers[Piece, Handle, Result], tell: Callable[[Piece], str]
) -> Iterator[Result]:
    """The results in the order of the pieces, each started before it is wanted.

    Args:
        pieces: what is worked on.
        workers: who does it.
        tell: names a piece.

    Raises:
        ShoepairError: a piece was given up, since its process died at every try.
    """
    started: deque[tuple[Piece, Handle]] = deque()
    for piece in pieces:
        started.append((piece, workers.start(piece)))
        if len(started) >= workers.most:
            yield _patiently(*started.popleft(), workers, tell)
    while started:
        yield _patiently(*started.popleft(), workers, tell)


def _patiently(
    piece: Piece, handle: Handle, workers: Workers[Piece, Handle, Result], tell: Callable[[Piece], str]
) -> Result:
    """Take a piece; start it again where its process died."""
    for _ in range(RETRIES):
        try:
            return workers.take(handle)
        except workers.died:
            handle = workers.start(piece)
    try:
        return workers.take(handle)
    except workers.died as error:
        raise given_up(tell(piece), *workers.why(error)) from None


def given_up(name: str, why: str, fix: str) -> ShoepairError:
    """What a user is told of work whose process died at every try."""
    return ShoepairError(f"{name}: given up after {RETRIES + 1} tries: {why}", fix=fix)


def windows(items: Iterable[Item], length: int) -> Iterator[list[Item]]:
    """The items in lists of this length, the last one shorter (Python 3.12 has it as itertools.batched)."""
    iterator = iter(items)
    while window := list(islice(iterator, length)):
        yield window
