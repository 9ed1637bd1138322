"""Decode many photos: in pieces, on all cores or nodes, in the order given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shoepair.data.naming import PAIRS, SHOES, SIDES, PhotoError
from shoepair.ingestion.decode import Photo, decode_photo
from shoepair.runtime import parallel, storage
from shoepair.runtime.errors import escaped
from shoepair.runtime.parallel.scheduling import windows
from shoepair.runtime.storage import Listed

PIECE = 48  # photos that one worker is given at a time: eight students, seven megabytes when they are decoded

Item = TypeVar("Item")


def read_all(listed: Iterable[Listed], edge: int) -> Iterator[Photo | PhotoError]:
    """The photos of some files, decoded as by `look_at_all`, or the errors of those that cannot be."""
    return look_at_all(listed, edge, _whole)


def _whole(photo: Photo) -> Photo:
    return photo


def look_at_all(listed: Iterable[Listed], edge: int, look: Callable[[Photo], Item]) -> Iterator[Item | PhotoError]:
    """Decode photos on all cores, in the order given, with a bounded number in memory; hand on what is seen in each.

    Args:
        listed: the files, where they are or under `SHOEPAIR_ROOT`.
        edge: see `decode_photo`.
        look: what to do with a photo; it runs where that was decoded, so it must be a function of a module.

    Yields:
        For each file what `look` returned, or the error of `decode_photo`: one damaged file does not hide another.
    """
    work = partial(_look_at, edge=edge, look=look)
    for piece in parallel.ordered(work, list(windows(listed, PIECE)), tell=_named):
        yield from piece


def _look_at(listed: Sequence[Listed], edge: int, look: Callable[[Photo], Item]) -> list[Item | PhotoError]:
    """One piece of `look_at_all`."""
    found: list[Item | PhotoError] = []
    for source in storage.opened(listed):
        try:
            found.append(look(decode_photo(source, edge)))
        except PhotoError as error:
            found.append(error)
    return found


def _named(listed: Sequence[Listed]) -> str:
    """What a message calls a piece."""
    first, last = listed[0].path, listed[-1].path
    return escaped(f"{first.parent}: photos {first.name} ... {last.name}")


def students(decoded: Iterable[Photo | PhotoError], edge: int) -> Iterator[NDArray[np.uint8]]:
    """Every six photos that `read_all` yields, in the order of `SHOES`, as one array of a student.

    Yields:
        (3, 2, edge, edge, 3) bytes: pair, side, height, width, RGB.

    Raises:
        PhotoError: a photo could not be decoded.
    """
    for six in windows(decoded, len(SHOES)):
        whole = np.empty((len(SHOES), edge, edge, 3), np.uint8)
        for place, photo in enumerate(six):
            if isinstance(photo, PhotoError):
                raise photo
            whole[place] = photo.pixels
        yield whole.reshape(len(PAIRS), len(SIDES), edge, edge, 3)
