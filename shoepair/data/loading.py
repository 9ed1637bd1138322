"""Stores and pair tables -> photos and pairs, in memory where they fit, else streamed.

Training learns from the pairs of the class and of the synthetic students (`add_synthetic_pairs`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoepair.data import pairs, tables
from shoepair.data.naming import SPLITS
from shoepair.data.pair_dataset import PairData
from shoepair.data.schemas import Split
from shoepair.data.store import Store, scaled
from shoepair.data.streaming import StreamedPairs
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


def from_table(rows: pd.DataFrame) -> PairData:
    """The pairs of `Pairs` rows, of one split or several, in their order, with the photos they need and no others."""
    students, tensors = _numbered(rows)
    return PairData(torch.from_numpy(_read(students)), *tensors)


def within(rows: pd.DataFrame, edge: int, memory: int, device: torch.device) -> PairData | StreamedPairs:
    """The pairs of a table, their photos in memory if they fit, else streamed from the stores.

    Args:
        rows: `Pairs` rows, of one split or several, and of synthetic students.
        edge: S, what the photos are averaged down to.
        memory: what the photos may take, in bytes.
        device: where the batches are wanted.

    Returns:
        The same batches either way.

    Raises:
        ShoepairError: a store is missing, or its photos are of no multiple of the edge.
    """
    students, tensors = _numbered(rows)
    held = 0
    for batch, group in students.groupby("batch", sort=False):
        with Store(paths.store(str(batch)), shared=True) as store:
            held += len(group) * 18 * store.edge**2  # 3 pairs, 2 sides, 3 channels
    if held <= memory:
        return PairData(torch.from_numpy(_read(students, shared=True)), *tensors).at(edge).on(device)
    return StreamedPairs(students, *tensors, edge, device)


def _numbered(rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Tensor, Tensor, Tensor]]:
    """The students of `Pairs` rows in the order in which they come; `shoes`, `same`, `synthetic` as in `Pairing`."""
    students = rows[["batch", "row"]].drop_duplicates(ignore_index=True)
    places = rows[["batch", "row"]].merge(students.reset_index(names="place"), how="left", validate="many_to_one")
    shoes = np.stack([places["place"], rows["left"] - 1, rows["right"] - 1], axis=1)
    synthetic = torch.tensor((students["batch"] == paths.SYNTHETIC).to_numpy())
    return students, (torch.from_numpy(shoes), torch.tensor(rows["same"].to_numpy()), synthetic)


def load_split(split: str) -> NDArray[np.float32]:
    """All photos of one split, as the assignment's notebook wants them.

    Args:
        split: train, valid, test_m or test_w.

    Returns:
        (N, 3, 2, S, S, 3) float32: student, pair, left/right, height, width, RGB; value = byte / 255 - 0.5.

    Raises:
        ShoepairError: there is no such split, nobody is in it, or the pipeline has not run yet.
    """
    return scaled(_read(students_in(split)))


def students_in(split: str) -> pd.DataFrame:
    """The `Split` rows of one split; raises as `load_split` does."""
    if split not in SPLITS:
        found = f"split {split!r}, expected one of {', '.join(SPLITS)}"
        raise ShoepairError(found)
    rows = tables.read(paths.SPLIT, Split)
    students: pd.DataFrame = rows[rows["split"] == split]
    if students.empty:
        found = f"split {split!r}: no students in it"
        raise ShoepairError(found, fix=f"put students into the folder {split} of a batch, then run `dvc repro`")
    return students


def each_student(students: pd.DataFrame, *, shared: bool = False) -> Iterator[NDArray[np.uint8]]:
    """Yield the photos of the students (columns `batch`, `row`), (3, 2, S, S, 3) bytes each, in the order of the rows.

    Raises:
        ShoepairError: a store is missing or damaged, or the stores are not of one S.
    """
    with ExitStack() as stack:
        stores = {
            batch: stack.enter_context(Store(paths.store(str(batch)), shared=shared))
            for batch in students["batch"].unique()
        }
        edges = sorted({store.edge for store in stores.values()})
        if len(edges) > 1:
            found = f"data/store: images of {' and '.join(map(str, edges))} pixels, expected one size"
            raise ShoepairError(found, fix="run `dvc repro`, which rebuilds the stores")
        for batch, row in zip(students["batch"], students["row"], strict=True):
            yield stores[batch].read([row])[0]


def _read(students: pd.DataFrame, *, shared: bool = False) -> NDArray[np.uint8]:
    """The photos of the students, (N, 3, 2, S, S, 3) bytes; see `each_student`."""
    photos = each_student(students, shared=shared)
    first = next(photos)
    images = np.empty((len(students), *first.shape), np.uint8)
    for row, student in enumerate(chain([first], photos)):
        images[row] = student
    return images


def add_synthetic_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds all nine pairs of every synthetic student to `Pairs` rows of the class.

    Raises:
        ShoepairError: the store of the synthetic students is missing.
    """
    with Store(paths.store(paths.SYNTHETIC), shared=True) as store:
        students = store.students
    about = {"batch": paths.SYNTHETIC, "student": students, "row": range(len(students)), "split": "train"}
    return pd.concat([rows, pairs.build(pd.DataFrame(about))], ignore_index=True)
