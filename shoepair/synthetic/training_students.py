"""Drawn students from whom training learns beside the class; nobody is ever judged by them.

They are drawn as those of the sample class are (`sample`), but from streams of their own: whatever the seeds, none of
them is in a sample class. What they teach is what a small class has too little of: shoes of one colour that differ in
shape, and shoes that are the same from two sides.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shoepair.ingestion import decode, decode_all
from shoepair.runtime import parallel
from shoepair.runtime.parallel import scheduling
from shoepair.synthetic import sample_class

STREAM = len(sample_class.SETS)  # the place of these students among the sets of a sample class
PIECE = 4  # students that a process draws at a time


def names(students: int) -> list[str]:
    """Ids of the drawn students, ascending.

    Of ten digits, as no class hands them in: a student who withdraws is looked for in stores by number.
    """
    return [_name(number) for number in range(students)]


def _name(number: int) -> str:
    return f"u{number + 1:010}"


def draw(students: int, seed: int, edge: int) -> Iterator[NDArray[np.uint8]]:
    """Draw students, on all cores.

    Args:
        students: how many; the same seed draws the same ones, byte for byte, however many there are.
        seed: whence they are drawn.
        edge: S, of a photo in pixels.

    Yields:
        (3, 2, S, S, 3) bytes each: pair, side, height, width, RGB.
    """
    pieces = list(scheduling.windows(range(students), PIECE))
    work = partial(_drawn, seed=seed, edge=edge)
    for piece in parallel.ordered(
        work, pieces, tell=lambda some: f"synthetic: students {some[0] + 1} to {some[-1] + 1}"
    ):
        yield from piece


def _drawn(numbers: list[int], seed: int, edge: int) -> list[NDArray[np.uint8]]:
    return [student for number in numbers for student in decode_all.students(_shots(number, seed, edge), edge)]


def _shots(number: int, seed: int, edge: int) -> Iterator[decode.Photo]:
    """The six photos of a student, made what every photo is made."""
    student = sample_class.dressed(sample_class.stream(seed, STREAM, number, 0), "train", _name(number))
    for _, _, shot in sample_class.shots(student, seed, STREAM, number):
        file = io.BytesIO()
        shot.save(file, format="PNG", compress_level=0)
        file.seek(0)
        yield decode.decode_photo(file, edge)
