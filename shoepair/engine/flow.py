"""What both engines share: pieces in order, few at a time, and the end of one that cannot be done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from shoepair.errors import ShoepairError

AHEAD = 2  # pieces per core that are under way, or done and not yet taken
RETRIES = 3  # of a piece whose process died

Piece = TypeVar("Piece")
Handle = TypeVar("Handle")
Result = TypeVar("Result")


def in_order(
    pieces: Iterable[Piece], start: Callable[[Piece], Handle], take: Callable[[Piece, Handle], Result], most: int
) -> Iterator[Result]:
    """Start pieces before they are wanted, but never more than some.

    Args:
        pieces: what is worked on.
        start: begins a piece and returns at once.
        take: waits for what was started and returns the result.
        most: pieces that are started and not yet taken, 1 or more.
    """
    started: deque[tuple[Piece, Handle]] = deque()
    for piece in pieces:
        started.append((piece, start(piece)))
        if len(started) >= most:
            yield take(*started.popleft())
    while started:
        yield take(*started.popleft())


def given_up(name: str, why: str, fix: str) -> ShoepairError:
    """What is said of a piece whose processes died.

    Args:
        name: of the piece.
        why: they did.
        fix: what to do.
    """
    return ShoepairError(f"{name}: given up after {RETRIES + 1} tries: {why}", fix=fix)
