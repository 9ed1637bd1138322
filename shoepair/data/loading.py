"""Data loading: photos and pairs from stores and pair tables, in memory or streamed.

Models are trained on the pairs of real and of synthetic students (`append_synthetic_pair_rows`).
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

from shoepair.data import pairs, parquet_files
from shoepair.data.naming import SPLITS
from shoepair.data.pair_dataset import InMemoryPairs
from shoepair.data.schemas import StudentSplits
from shoepair.data.store import Store, scale_to_centred_float
from shoepair.data.streaming import StreamedPairs
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


def load_pairs_in_memory(pair_rows: pd.DataFrame) -> InMemoryPairs:
    """Load the pairs of `Pairs` rows, in row order, with the photos of their students only."""
    students, tensors = _index_students(pair_rows)
    return InMemoryPairs(torch.from_numpy(_read_photos(students)), *tensors)


def load_or_stream_pairs(
    pair_rows: pd.DataFrame, edge: int, max_photo_bytes: int, device: torch.device
) -> InMemoryPairs | StreamedPairs:
    """Load pairs with their photos in memory if these fit, else streamed from the stores.

    Args:
        pair_rows: `Pairs` rows of one or more splits and of synthetic students.
        edge: S, the edge that photos are averaged down to.
        max_photo_bytes: memory limit of the photos.
        device: device of the mini-batches.

    Returns:
        Pairs that yield the same mini-batches either way.

    Raises:
        ShoepairError: a store is missing, or the edge of its photos is not a multiple of `edge`.
    """
    students, tensors = _index_students(pair_rows)
    photo_bytes = 0
    for batch, group in students.groupby("batch", sort=False):
        with Store(paths.store_path(str(batch)), use_remote_root=True) as store:
            _raise_if_not_stored(store, group)
            photo_bytes += len(group) * 18 * store.edge**2  # 3 pairs, 2 sides, 3 channels
    if photo_bytes <= max_photo_bytes:
        return (
            InMemoryPairs(torch.from_numpy(_read_photos(students, use_remote_root=True)), *tensors)
            .downsample(edge)
            .to_device(device)
        )
    return StreamedPairs(students, *tensors, edge, device)


def _index_students(pair_rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Tensor, Tensor, Tensor]]:
    """Return the students in row order, and `pair_index`, `same`, `is_synthetic_student` of `PairSource`."""
    keys = pair_rows[["batch", "row", "student"]]
    students = keys.drop_duplicates(ignore_index=True)
    numbers = keys.merge(students.reset_index(names="number"), how="left", validate="many_to_one")["number"]
    pair_index = np.stack([numbers, pair_rows["left"] - 1, pair_rows["right"] - 1], axis=1)
    is_synthetic = torch.tensor((students["batch"] == paths.SYNTHETIC_BATCH).to_numpy())
    return students, (torch.from_numpy(pair_index), torch.tensor(pair_rows["same"].to_numpy()), is_synthetic)


def load_split(split: str) -> NDArray[np.float32]:
    """Load all photos of one split as one array, as the course notebook expects them.

    Args:
        split: train, valid, test_m or test_w.

    Returns:
        (N, 3, 2, S, S, 3) float32: student, pair, left/right, height, width, RGB; value = byte / 255 - 0.5.

    Raises:
        ShoepairError: the split is unknown or has no students, or the pipeline has not run yet.
    """
    return scale_to_centred_float(_read_photos(load_split_student_rows(split)))


def load_split_student_rows(split: str) -> pd.DataFrame:
    """Read the `StudentSplits` rows of one split; raises the errors of `load_split`."""
    if split not in SPLITS:
        message = f"split {split!r}, expected one of {', '.join(SPLITS)}"
        raise ShoepairError(message)
    rows = parquet_files.read_table(paths.SPLIT, StudentSplits)
    students: pd.DataFrame = rows[rows["split"] == split]
    if students.empty:
        message = f"split {split!r}: no students in it"
        raise ShoepairError(message, fix=f"put students into the folder {split} of a batch, then run `dvc repro`")
    return students


def iter_student_photos(students: pd.DataFrame, *, use_remote_root: bool = False) -> Iterator[NDArray[np.uint8]]:
    """Yield the photos of each student (columns `batch`, `row`, `student`), (3, 2, S, S, 3) uint8, in row order.

    Raises:
        ShoepairError: a store is missing, damaged or of other students, or the stores differ in S.
    """
    with ExitStack() as stack:
        stores = {
            batch: stack.enter_context(Store(paths.store_path(str(batch)), use_remote_root=use_remote_root))
            for batch in students["batch"].unique()
        }
        edges = sorted({store.edge for store in stores.values()})
        if len(edges) > 1:
            message = f"data/store: images of {' and '.join(map(str, edges))} pixels, expected one size"
            raise ShoepairError(message, fix="run `dvc repro`, which rebuilds the stores")
        for batch, group in students.groupby("batch", sort=False):
            _raise_if_not_stored(stores[batch], group)
        for batch, row in zip(students["batch"], students["row"], strict=True):
            yield stores[batch].read_students([row])[0]


def _raise_if_not_stored(store: Store, students: pd.DataFrame) -> None:
    """Raise if the rows of some students (columns `row`, `student`) are not theirs in the store, or repeat."""
    ids = dict(enumerate(store.student_ids))
    wrong = students[(students["row"].map(ids) != students["student"]) | students["row"].duplicated()]
    if not wrong.empty:
        row, student = wrong[["row", "student"]].iloc[0]
        message = f"{store.path}: row {row} is {ids.get(row, 'beyond its end')}, but a table says {student}"
        raise ShoepairError(message, fix="run `dvc repro`, which makes both from the same photos")


def _read_photos(students: pd.DataFrame, *, use_remote_root: bool = False) -> NDArray[np.uint8]:
    """Read the photos of all students, (N, 3, 2, S, S, 3) uint8; see `iter_student_photos`."""
    photos = iter_student_photos(students, use_remote_root=use_remote_root)
    first = next(photos)
    images = np.empty((len(students), *first.shape), np.uint8)
    for number, student_photos in enumerate(chain([first], photos)):
        images[number] = student_photos
    return images


def append_synthetic_pair_rows(pair_rows: pd.DataFrame) -> pd.DataFrame:
    """Append all nine pairs of every synthetic student to `Pairs` rows.

    Raises:
        ShoepairError: the store of the synthetic students is missing.
    """
    with Store(paths.store_path(paths.SYNTHETIC_BATCH), use_remote_root=True) as store:
        students = store.student_ids
    columns = {"batch": paths.SYNTHETIC_BATCH, "student": students, "row": range(len(students)), "split": "train"}
    return pd.concat([pair_rows, pairs.build_pair_rows(pd.DataFrame(columns))], ignore_index=True)
