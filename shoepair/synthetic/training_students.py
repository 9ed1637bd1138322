"""Synthetic training students: added to the training students of the class, never used for evaluation.

They are drawn like those of the synthetic class (`sample`), but from separate random generators: whatever the seeds,
none of them is in a synthetic class. They show what a small class has too little of: shoes of one colour that differ
in shape, and the same shoe from two sides.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shoepair.ingestion import decoding, parallel_decoding
from shoepair.runtime import parallel
from shoepair.runtime.parallel import scheduling
from shoepair.synthetic import synthetic_class

SUBSET_NUMBER = len(synthetic_class.SUBSETS)  # of the seed; those below are the subsets of a synthetic class
STUDENTS_PER_TASK = 4


def make_student_ids(student_count: int) -> list[str]:
    """Return the ids of the synthetic training students, ascending.

    They have ten digits, unlike ids of a class: withdrawn students are looked up in stores by id.
    """
    return [_student_id(number) for number in range(student_count)]


def _student_id(number: int) -> str:
    return f"u{number + 1:010}"


def iter_decoded_student_photos(student_count: int, seed: int, edge: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the decoded photos of each synthetic training student, drawn on all cores.

    Args:
        student_count: the same seed draws the same students, byte for byte, however many there are.
        seed: of all students.
        edge: S, of a photo in pixels.

    Yields:
        (3, 2, S, S, 3) bytes each: pair, side, height, width, RGB.
    """
    tasks = list(scheduling.chunked(range(student_count), STUDENTS_PER_TASK))
    draw = partial(_draw_task, seed=seed, edge=edge)
    for students in parallel.imap_ordered(draw, tasks, describe_lost_task=_describe_task):
        yield from students


def _describe_task(numbers: list[int]) -> str:
    return f"synthetic: students {numbers[0] + 1} to {numbers[-1] + 1}"


def _draw_task(numbers: list[int], seed: int, edge: int) -> list[NDArray[np.uint8]]:
    return [
        student
        for number in numbers
        for student in parallel_decoding.iter_student_photo_stacks(_draw_photos(number, seed, edge), edge)
    ]


def _draw_photos(number: int, seed: int, edge: int) -> Iterator[decoding.DecodedPhoto]:
    """Yield the six photos of a student, decoded as all photos are."""
    rng = synthetic_class.make_rng(seed, SUBSET_NUMBER, number, 0)
    student = synthetic_class.sample_student_traits(rng, "train", _student_id(number))
    for _, _, photo in synthetic_class.iter_drawn_photos(student, seed, SUBSET_NUMBER, number):
        file = io.BytesIO()
        photo.save(file, format="PNG", compress_level=0)
        yield decoding.decode_photo(file.getvalue(), edge)
