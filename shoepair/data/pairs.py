"""Same and different pairs of shoes, as rows of a table built once by stage pairs.

A pair image is the left shoe above the right shoe, for same and for different pairs alike. The shoes of a different
pair belong to one student: floor, light and camera are the same, so only the shoes differ.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data import naming, photo_arrays
from shoepair.data.naming import SPLITS
from shoepair.data.schemas import DIFFERENT, SAME, Pairs

PAIRS_PER_STUDENT = len(naming.PAIR_NUMBERS)

Number = TypeVar("Number", bound=np.generic)


def generate_same_pair(data: NDArray[Number]) -> NDArray[Number]:
    """Stack the left shoe of every pair above its right shoe, as the assignment defines it.

    Args:
        data: (N, 3, 2, H, W, 3): student, pair, left/right, height, width, RGB.

    Returns:
        (3N, 2H, W, 3): pairs 1, 2, 3 of the first student, then of the next.
    """
    photos = photo_arrays.order_photo_axes(data, "data")
    return _stack_vertically(photos[:, :, 0], photos[:, :, 1])


def generate_different_pair(data: NDArray[Number]) -> NDArray[Number]:
    """Stack each left shoe above the right shoe of the student's next pair: 1 on 2, 2 on 3, 3 on 1.

    Args:
        data: (N, 3, 2, H, W, 3): student, pair, left/right, height, width, RGB.

    Returns:
        (3N, 2H, W, 3): left shoes 1, 2, 3 of the first student, then of the next.
    """
    photos = photo_arrays.order_photo_axes(data, "data")
    return _stack_vertically(photos[:, :, 0], np.roll(photos[:, :, 1], -1, axis=1))


def _stack_vertically(left: NDArray[Number], right: NDArray[Number]) -> NDArray[Number]:
    """Stack left above right: (N, 3, H, W, 3) twice to (3N, 2H, W, 3)."""
    both: NDArray[Any] = np.concatenate([left, right], axis=2)  # (N, 3, 2H, W, 3)
    return both.reshape(-1, *both.shape[2:])


def left_right_combination_rows() -> pd.DataFrame:
    """Return the nine left-right combinations of a student: columns `left`, `right`, `same`, `standard`."""
    nine = pd.DataFrame(
        [(left, right) for left in naming.PAIR_NUMBERS for right in naming.PAIR_NUMBERS], columns=["left", "right"]
    )
    nine["same"] = np.where(nine["left"] == nine["right"], SAME, DIFFERENT)
    nine["standard"] = (nine["right"] - nine["left"]) % PAIRS_PER_STUDENT <= 1  # the next pair, or the same one
    return nine


def build_pair_rows(split_rows: pd.DataFrame) -> pd.DataFrame:
    """Build the table of all nine pairs of every student.

    Args:
        split_rows: `StudentSplits` rows.

    Returns:
        `Pairs` rows: splits in the order of `SPLITS`, in each the students in the order of `split_rows`.
    """
    ordered = split_rows.assign(order=split_rows["split"].map(list(SPLITS).index)).sort_values("order", kind="stable")
    return ordered.merge(left_right_combination_rows(), how="cross")[list(Pairs.to_schema().columns)]
