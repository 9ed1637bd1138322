"""Parallel decoding of many photos, in input order, on all cores or Ray nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shoepair.data.naming import PAIR_NUMBERS, SHOE_KEYS, SIDES, PhotoError
from shoepair.ingestion.decoding import DecodedPhoto, MemoryShortageError, decode_photo, find_length_error
from shoepair.runtime import parallel, storage
from shoepair.runtime.errors import ShoepairError, escape_unprintable
from shoepair.runtime.parallel.scheduling import chunked
from shoepair.runtime.storage import PhotoFile

PHOTOS_PER_TASK = 48  # eight students, seven megabytes of decoded photos

Item = TypeVar("Item")


def iter_decoded_photos_or_errors(photo_files: Iterable[PhotoFile], edge: int) -> Iterator[DecodedPhoto | PhotoError]:
    """Decode photos in parallel; yield each photo, or its PhotoError, in input order."""
    return imap_decoded_photos_or_errors(photo_files, edge, _return_photo)


def _return_photo(photo: DecodedPhoto) -> DecodedPhoto:
    return photo


def imap_decoded_photos_or_errors(
    photo_files: Iterable[PhotoFile], edge: int, function: Callable[[DecodedPhoto], Item]
) -> Iterator[Item | PhotoError]:
    """Decode photos in parallel and yield a function's result for each, or its PhotoError, in input order.

    Args:
        photo_files: the files, local or under `SHOEPAIR_ROOT`.
        edge: see `decode_photo`.
        function: applied to each photo in the process that decoded it, so it must be a module-level function.

    Yields:
        For each file the result of `function`, or the error of `decode_photo`: all damaged files are reported.

    Raises:
        ShoepairError: a file is missing or not the one that its table lists, or there is too little memory for it.
    """
    map_chunk = partial(_map_chunk, edge=edge, function=function)
    chunks = list(chunked(photo_files, PHOTOS_PER_TASK))
    try:
        for results in parallel.imap_ordered(map_chunk, chunks, describe_lost_task=_describe_chunk):
            yield from results
    except FileNotFoundError as error:  # of this machine: a node's is explained already
        raise storage.explain_missing_photo(error) from None


def _map_chunk(
    photo_files: Sequence[PhotoFile], edge: int, function: Callable[[DecodedPhoto], Item]
) -> list[Item | PhotoError]:
    """Run one task of the above; files that are empty or too large by their table are not read."""
    results: list[Item | PhotoError] = []
    length_errors = [find_length_error(photo_file.length) for photo_file in photo_files]
    contents = storage.read_photos(file for file, error in zip(photo_files, length_errors, strict=True) if not error)
    for photo_file, length_error in zip(photo_files, length_errors, strict=True):
        if length_error:
            results.append(length_error)
            continue
        try:
            results.append(function(decode_photo(next(contents), edge)))
        except MemoryShortageError as error:
            message = f"{escape_unprintable(str(photo_file.path))}: {error}"
            raise ShoepairError(message, fix="end other programs, then run the command again") from None
        except PhotoError as error:
            results.append(error)
    return results


def _describe_chunk(photo_files: Sequence[PhotoFile]) -> str:
    """Return the name of a task for messages."""
    first, last = photo_files[0].path, photo_files[-1].path
    return escape_unprintable(f"{first.parent}: photos {first.name} ... {last.name}")


def iter_student_photo_stacks(
    decoded_photos: Iterable[DecodedPhoto | PhotoError], edge: int
) -> Iterator[NDArray[np.uint8]]:
    """Stack every six of the decoded photos, in the order of `SHOE_KEYS`, into one array per student.

    Yields:
        (3, 2, edge, edge, 3) uint8: pair, side, height, width, RGB.

    Raises:
        PhotoError: a photo could not be decoded.
    """
    for six in chunked(decoded_photos, len(SHOE_KEYS)):
        images = np.empty((len(SHOE_KEYS), edge, edge, 3), np.uint8)
        for position, photo in enumerate(six):
            if isinstance(photo, PhotoError):
                raise photo
            images[position] = photo.pixels
        yield images.reshape(len(PAIR_NUMBERS), len(SIDES), edge, edge, 3)
