"""Same and different pairs of shoes, as rows of the stores, made once by a stage and never drawn while training.

A pair image is the left shoe above the right shoe, for same and for different pairs alike. Different pairs come from
one student: floor, light and camera are the same, so only the shoes tell.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data import naming
from shoepair.data.naming import SPLITS
from shoepair.data.schemas import DIFFERENT, SAME, Pairs

COUNT = len(naming.PAIRS)

Number = TypeVar("Number", bound=np.generic)


def generate_same_pair(data: NDArray[Number]) -> NDArray[Number]:
    """Stack the two shoes of every pair, left above right, as the assignment defines it.

    Args:
        data: (N, 3, 2, H, W, 3): student, pair, left/right, height, width, RGB.

    Returns:
        (3N, 2H, W, 3): pairs 1, 2, 3 of the first student, then of the next.
    """
    return _stacked(data[:, :, 0], data[:, :, 1])


def generate_different_pair(data: NDArray[Number]) -> NDArray[Number]:
    """Stack each left shoe above the right shoe of the student's next pair: 1 on 2, 2 on 3, 3 on 1.

    Args:
        data: (N, 3, 2, H, W, 3): student, pair, left/right, height, width, RGB.

    Returns:
        (3N, 2H, W, 3): left shoes 1, 2, 3 of the first student, then of the next.
    """
    return _stacked(data[:, :, 0], np.roll(data[:, :, 1], -1, axis=1))


def _stacked(left: NDArray[Number], right: NDArray[Number]) -> NDArray[Number]:
    """(N, 3, H, W, 3) twice to (3N, 2H, W, 3)."""
    both: NDArray[Any] = np.concatenate([left, right], axis=2)  # (N, 3, 2H, W, 3)
    return both.reshape(-1, *both.shape[2:])


def combinations() -> pd.DataFrame:
    """The nine left-right combinations of a student: columns `left`, `right`, `same`, `standard`."""
    nine = pd.DataFrame([(left, right) for left in naming.PAIRS for right in naming.PAIRS], columns=["left", "right"])
    nine["same"] = np.where(nine["left"] == nine["right"], SAME, DIFFERENT)
    nine["standard"] = (nine["right"] - nine["left"]) % COUNT <= 1  # the next pair, or the same one
    return nine


def build(split: pd.DataFrame) -> pd.DataFrame:
    """All pairs of all students.

    Args:
        split: `Split` rows.

    Returns:
        `Pairs` rows: splits in the order of `SPLITS`, in each the students in the order of `split`.
    """
    whole = split.assign(order=split["split"].map(list(SPLITS).index)).sort_values("order", kind="stable")
    return whole.merge(combinations(), how="cross")[list(Pairs.to_schema().columns)]
