"""Data loading: pairs with their photos as tensors, in memory or streamed; see `photo_loading` for the photos."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from shoepair.data.features_file import FeaturesFile, FeaturesKind
from shoepair.data.pair_dataset import InMemoryPairs
from shoepair.data.photo_loading import index_students, open_stores, raise_if_not_stored, read_photos
from shoepair.data.store import Store
from shoepair.data.streaming import StreamedPairs, open_photo_store
from shoepair.runtime import paths


def load_pairs_in_memory(pair_rows: pd.DataFrame) -> InMemoryPairs:
    """Load the pairs of `Pairs` rows, in row order, with the photos of their students only."""
    students, tensors = _index_students(pair_rows)
    return InMemoryPairs(torch.from_numpy(read_photos(students)), *tensors)


def stream_pairs(pair_rows: pd.DataFrame) -> StreamedPairs:
    """Return the pairs of `Pairs` rows, in row order, whose photos this process reads a mini-batch at a time.

    Raises:
        ShoepairError: a store is missing, of other students, or of another edge than the first.
    """
    students, tensors = _index_students(pair_rows)
    with open_stores(students) as stores:
        edge = next(iter(stores.values())).edge
    open_local = partial(open_photo_store, use_remote_root=False)
    return StreamedPairs(students, *tensors, edge, reads_itself=True, open_store=open_local)


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
            raise_if_not_stored(store, group)
            photo_bytes += len(group) * 18 * store.edge**2  # 3 pairs, 2 sides, 3 channels
    if photo_bytes <= max_photo_bytes:
        return (
            InMemoryPairs(torch.from_numpy(read_photos(students, use_remote_root=True)), *tensors)
            .downsample(edge)
            .to_device(device)
        )
    return StreamedPairs(students, *tensors, edge, device)


def load_or_stream_features(
    pair_rows: pd.DataFrame,
    names: Sequence[str],
    kind: FeaturesKind,
    max_bytes: int,
    device: torch.device,
    *,
    with_augmented: bool = False,
) -> InMemoryPairs | StreamedPairs:
    """Load pairs with the features of their photos in memory if these fit, else streamed from their files.

    Args:
        pair_rows: `Pairs` rows of one or more splits.
        names: of the features, in the order of K.
        kind: what they must be of.
        max_bytes: memory limit of the features.
        device: device of the mini-batches.
        with_augmented: whether the augmented views are loaded too.

    Returns:
        Pairs whose photos are features, (N, 3, 2, V, K) float16; the same mini-batches either way.

    Raises:
        ShoepairError: a file is missing or damaged, or of other students or another kind.
    """
    students, tensors = _index_students(pair_rows)
    open_file = partial(_open_features, names=tuple(names), kind=kind, with_augmented=with_augmented)
    length = 0
    for batch, group in students.groupby("batch", sort=False):
        with open_file(str(batch)) as file:
            raise_if_not_stored(file, group)
            length += len(group) * file.student_bytes
    if length > max_bytes:
        return StreamedPairs(students, *tensors, 0, device, open_store=open_file)
    features: list[np.ndarray] = [np.empty(0, np.float16)] * len(students)
    for batch, group in students.groupby("batch", sort=False):
        with open_file(str(batch)) as file:
            for position, row in zip(group.index, group["row"], strict=True):
                features[position] = file.read_students([row])[0]
    return InMemoryPairs(torch.from_numpy(np.stack(features)), *tensors).to_device(device)


def _open_features(batch: str, names: Sequence[str], kind: FeaturesKind, *, with_augmented: bool) -> FeaturesFile:
    path = paths.features_path(batch)
    return FeaturesFile(path, names, kind, with_augmented=with_augmented, use_remote_root=True)


def _index_students(pair_rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Tensor, Tensor, Tensor]]:
    """Return the students in row order, and `pair_index`, `same`, `is_synthetic_student` of `PairSource`."""
    students, pair_index = index_students(pair_rows)
    is_synthetic = torch.tensor((students["batch"] == paths.SYNTHETIC_BATCH).to_numpy())
    return students, (torch.from_numpy(pair_index), torch.tensor(pair_rows["same"].to_numpy()), is_synthetic)
