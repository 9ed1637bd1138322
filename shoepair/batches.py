"""Stores and pairs -> batches of pair images for the networks.

Photos stay uint8 in memory, each once; a pair is three numbers that point into them. A batch is gathered, stacked and
scaled when it is asked for. (The notebook way, every pair image as float64, takes 4.3 GB for 113 students; this takes
0.1 GB.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoepair import pairs, paths, table
from shoepair.errors import ShoepairError
from shoepair.splits import SPLITS, Split
from shoepair.store import Store, scaled


@dataclass(frozen=True)
class PairData:
    """Photos, and the pairs among them.

    Args:
        images: (N, 3, 2, S, S, 3): uint8, or float32 of -0.5..0.5.
        shoes: (P, 3) int64: student 0..N-1, pair of the left shoe 0-2, pair of the right shoe 0-2.
        same: (P,) int64: 1 same pair, 0 different pairs.
    """

    images: Tensor
    shoes: Tensor
    same: Tensor

    def __len__(self) -> int:
        return len(self.shoes)

    def batch(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Some pairs, as the networks take them.

        Args:
            which: (B,) int64, pairs 0..P-1.

        Returns:
            (B, 3, 2S, S) float32 of -0.5..0.5 in channels-last layout, and (B,) labels.
        """
        student, left, right = self.shoes[which].unbind(1)
        shoes = torch.stack([self.images[student, left, 0], self.images[student, right, 1]], dim=1)
        stacked = shoes.flatten(1, 2)  # (B, 2, S, S, 3) to (B, 2S, S, 3)
        if stacked.dtype == torch.uint8:  # the same number as `store.scaled`, in place
            stacked = stacked.to(torch.float32).sub_(127.5).div_(255)
        # Moving the axis costs nothing and leaves the channels last in memory, the layout convolutions are fast in.
        return stacked.movedim(3, 1), self.same[which]


def from_arrays(data: NDArray[np.uint8] | NDArray[np.float32]) -> PairData:
    """The standard pairs of some students, from their photos as an array.

    Args:
        data: (N, 3, 2, S, S, 3): uint8, or floating point of -0.5..0.5.

    Returns:
        3N same and 3N different pairs.
    """
    nine = pairs.combinations()
    standard = nine[nine["standard"]]
    shoes = [(row, left - 1, right - 1) for row in range(len(data)) for left, right in _lefts_and_rights(standard)]
    images = data if data.dtype == np.uint8 else data.astype(np.float32, copy=False)
    labels = list(standard["same"]) * len(data)
    numbers = torch.tensor(shoes, dtype=torch.int64).reshape(-1, 3)  # also where there is no student
    return PairData(torch.from_numpy(images), numbers, torch.tensor(labels, dtype=torch.int64))


def _lefts_and_rights(rows: pd.DataFrame) -> list[tuple[int, int]]:
    return [(int(left), int(right)) for left, right in zip(rows["left"], rows["right"], strict=True)]


def from_table(rows: pd.DataFrame) -> PairData:
    """The pairs of a table, with the photos they need and no others.

    Args:
        rows: `Pairs` rows, of one split or several.

    Returns:
        As many pairs as there are rows, in their order.
    """
    students = rows[["batch", "row"]].drop_duplicates(ignore_index=True)
    places = rows[["batch", "row"]].merge(students.reset_index(names="place"), how="left", validate="many_to_one")
    shoes = np.stack([places["place"], rows["left"] - 1, rows["right"] - 1], axis=1)
    images = _read(students)
    return PairData(torch.from_numpy(images), torch.from_numpy(shoes), torch.tensor(rows["same"].to_numpy()))


def load_split(split: str) -> NDArray[np.float32]:
    """All photos of one split, as the assignment's notebook wants them.

    Args:
        split: train, valid, test_m or test_w.

    Returns:
        (N, 3, 2, S, S, 3) float32: student, pair, left/right, height, width, RGB; value = byte / 255 - 0.5.

    Raises:
        ShoepairError: there is no such split, or the pipeline has not run yet.
    """
    if split not in SPLITS:
        found = f"split {split!r}, expected one of {', '.join(SPLITS)}"
        raise ShoepairError(found)
    rows = table.read(paths.SPLIT, Split)
    students = rows[rows["split"] == split]
    if students.empty:
        found = f"split {split!r}: no students in it"
        raise ShoepairError(found, fix=f"put students into the folder {split} of a batch, then run `dvc repro`")
    return scaled(_read(students))


def each_student(students: pd.DataFrame) -> Iterator[NDArray[np.uint8]]:
    """The photos of the students (columns `batch`, `row`), (3, 2, S, S, 3) bytes each, in the order of the rows."""
    for batch, row in zip(students["batch"], students["row"], strict=True):
        with Store(paths.store(str(batch))) as store:
            yield store.read([int(row)])[0]


def _read(students: pd.DataFrame) -> NDArray[np.uint8]:
    """The photos of the students (columns `batch`, `row`), (N, 3, 2, S, S, 3) bytes, in the order of the rows."""
    parts: list[NDArray[np.uint8]] = []
    order: list[int] = []
    for batch, group in students.reset_index(drop=True).groupby("batch", sort=False):
        with Store(paths.store(str(batch))) as store:
            parts.append(store.read(group["row"].to_numpy()))
        order += list(group.index)
    return _joined(parts, order)


def _joined(parts: Sequence[NDArray[np.uint8]], order: Sequence[int]) -> NDArray[np.uint8]:
    """Parts of several batches as one array, each row at its place; one batch is not copied."""
    if len(parts) == 1:
        return parts[0]
    edges = {part.shape[3] for part in parts}
    if len(edges) > 1:
        found = f"data/store: images of {' and '.join(map(str, sorted(edges)))} pixels, expected one size"
        raise ShoepairError(found, fix="run `dvc repro`, which rebuilds the stores")
    whole = np.empty((len(order), *parts[0].shape[1:]), np.uint8)
    start = 0
    for part in parts:
        whole[list(order[start : start + len(part)])] = part
        start += len(part)
    return whole
