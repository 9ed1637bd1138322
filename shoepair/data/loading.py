"""Data loading: pairs with their photos as tensors, in memory or streamed; see `photo_loading` for the photos."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from shoepair.data.pair_dataset import InMemoryPairs
from shoepair.data.photo_loading import index_students, raise_if_not_stored, read_photos
from shoepair.data.store import Store
from shoepair.data.streaming import StreamedPairs
from shoepair.runtime import paths


def load_pairs_in_memory(pair_rows: pd.DataFrame) -> InMemoryPairs:
    """Load the pairs of `Pairs` rows, in row order, with the photos of their students only."""
    students, tensors = _index_students(pair_rows)
    return InMemoryPairs(torch.from_numpy(read_photos(students)), *tensors)


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


def _index_students(pair_rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Tensor, Tensor, Tensor]]:
    """Return the students in row order, and `pair_index`, `same`, `is_synthetic_student` of `PairSource`."""
    students, pair_index = index_students(pair_rows)
    is_synthetic = torch.tensor((students["batch"] == paths.SYNTHETIC_BATCH).to_numpy())
    return students, (torch.from_numpy(pair_index), torch.tensor(pair_rows["same"].to_numpy()), is_synthetic)
