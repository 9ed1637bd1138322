"""Loading of photos from the stores, and of pairs of photos as the networks see them, as NumPy arrays.

Without torch, which takes seconds to load: a stage that only looks at photos needs none. `loading` makes the tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data import pairs, parquet_files
from shoepair.data.naming import SPLITS
from shoepair.data.schemas import StudentSplits
from shoepair.data.store import Store, scale_to_centred_float
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


@dataclass(frozen=True)
class PairPhotos:
    """Pairs whose photos are read from the stores when they are asked for.

    Args:
        students: N rows with `batch` and `row`, the store and store row of each student.
        pair_index: (P, 3), for each pair: student 0..N-1, pair of the left shoe 0-2, pair of the right shoe 0-2.
        stores: by batch, open.
    """

    students: pd.DataFrame
    pair_index: NDArray[np.int64]
    stores: Mapping[str, Store]

    def __len__(self) -> int:
        return len(self.pair_index)

    def read_shoes(self, first: int, end: int) -> NDArray[np.float32]:
        """Return the shoes of pairs `first`..`end` - 1, left then right: (B, 2, S, S, 3), of -0.5..0.5."""
        numbers, left, right = self.pair_index[first:end].T
        present, student = np.unique(numbers, return_inverse=True)
        keys = zip(self.students["batch"].iloc[present], self.students["row"].iloc[present], strict=True)
        images = np.concatenate([self.stores[batch].read_students([row]) for batch, row in keys])  # (N, 3, 2, S, S, 3)
        shoes = np.stack([images[student, left, 0], images[student, right, 1]], axis=1)
        return scale_to_centred_float(shoes)


@contextmanager
def open_pair_photos(pair_rows: pd.DataFrame) -> Iterator[PairPhotos]:
    """Open the photos of the pairs of `Pairs` rows, in row order, for the time of the block."""
    students, pair_index = index_students(pair_rows)
    with open_stores(students) as stores:
        yield PairPhotos(students, pair_index, stores)


def index_students(pair_rows: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the students of `Pairs` rows, each once, and the `pair_index` of `PairPhotos`."""
    keys = pair_rows[["batch", "row", "student"]]
    students = keys.drop_duplicates(ignore_index=True)
    numbers = keys.merge(students.reset_index(names="number"), how="left", validate="many_to_one")["number"]
    return students, np.stack([numbers, pair_rows["left"] - 1, pair_rows["right"] - 1], axis=1)


def load_split(split: str) -> NDArray[np.float32]:
    """Load all photos of one split as one array, as the course notebook expects them.

    Args:
        split: train, valid, test_m or test_w.

    Returns:
        (N, 3, 2, S, S, 3) float32: student, pair, left/right, height, width, RGB; value = byte / 255 - 0.5.

    Raises:
        ShoepairError: the split is unknown or has no students, or the pipeline has not run yet.
    """
    return scale_to_centred_float(read_photos(load_split_student_rows(split)))


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


@contextmanager
def open_stores(students: pd.DataFrame, *, use_remote_root: bool = False) -> Iterator[dict[str, Store]]:
    """Open the stores of students (columns `batch`, `row`, `student`) by batch, for the time of the block.

    Raises:
        ShoepairError: a store is missing, damaged or of other students, or the stores differ in S.
    """
    with ExitStack() as stack:
        stores = {
            str(batch): stack.enter_context(Store(paths.store_path(str(batch)), use_remote_root=use_remote_root))
            for batch in students["batch"].unique()
        }
        edges = sorted({store.edge for store in stores.values()})
        if len(edges) > 1:
            message = f"data/store: images of {' and '.join(map(str, edges))} pixels, expected one size"
            raise ShoepairError(message, fix="run `dvc repro`, which rebuilds the stores")
        for batch, group in students.groupby("batch", sort=False):
            raise_if_not_stored(stores[str(batch)], group)
        yield stores


def iter_student_photos(students: pd.DataFrame, *, use_remote_root: bool = False) -> Iterator[NDArray[np.uint8]]:
    """Yield the photos of each student (columns `batch`, `row`, `student`), (3, 2, S, S, 3) uint8, in row order.

    Raises:
        ShoepairError: those of `open_stores`.
    """
    with open_stores(students, use_remote_root=use_remote_root) as stores:
        for batch, row in zip(students["batch"], students["row"], strict=True):
            yield stores[batch].read_students([row])[0]


def raise_if_not_stored(store: Store, students: pd.DataFrame) -> None:
    """Raise a ShoepairError if rows of students (columns `row`, `student`) are not theirs in the store, or repeat."""
    ids = dict(enumerate(store.student_ids))
    wrong = students[(students["row"].map(ids) != students["student"]) | students["row"].duplicated()]
    if not wrong.empty:
        row, student = wrong[["row", "student"]].iloc[0]
        message = f"{store.path}: row {row} is {ids.get(row, 'beyond its end')}, but a table says {student}"
        raise ShoepairError(message, fix="run `dvc repro`, which makes both from the same photos")


def read_photos(students: pd.DataFrame, *, use_remote_root: bool = False) -> NDArray[np.uint8]:
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
