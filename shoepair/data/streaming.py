"""Streaming pairs from the stores when photos do not fit in memory: same order, same mini-batches.

Letters: B pairs, N students, G groups of L left and L right shoes, S edge of an image.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shoepair.data.pair_dataset import downsample_to_float, scale_to_centred_float
from shoepair.data.store import Store
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

READER_PROCESSES = 2  # processes that prefetch streamed photos
STORE_ERRORS = (ShoepairError, OSError)  # of a store that is damaged, and of a machine that cannot read it
PREFETCHED_MINI_BATCHES = 4  # mini-batches that each process holds ready


def open_photo_store(batch: str, *, use_remote_root: bool = True) -> Store:
    """Open the store of the photos of a batch, under `SHOEPAIR_ROOT` if that is set and wanted."""
    return Store(paths.store_path(batch), use_remote_root=use_remote_root)


@dataclass(frozen=True)
class StreamedPairs:
    """Pairs whose photos are read from the stores on demand, by prefetching processes that open the files themselves.

    Args:
        student_rows: N rows with `batch` and `row`, the store and store row of each student.
        pair_index, same, is_synthetic_student: see `PairSource`.
        edge: S, the edge that photos are averaged down to; 0: they are features, which stay as they are.
        device: device of the mini-batches.
        reads_itself: whether this process reads the photos, one mini-batch at a time, instead of others ahead of it.
        open_store: opens the store of a batch; the processes call it, so it can be pickled.
    """

    student_rows: pd.DataFrame
    pair_index: Tensor
    same: Tensor
    is_synthetic_student: Tensor
    edge: int
    device: torch.device = torch.device("cpu")  # noqa: RUF009  # a constant
    reads_itself: bool = False
    open_store: Callable[[str], Store] = open_photo_store

    def __len__(self) -> int:
        return len(self.pair_index)

    def downsample(self, edge: int) -> StreamedPairs:
        """Return the same pairs with all photos averaged down to an edge length when they are read."""
        return replace(self, edge=edge)

    def iter_pair_photos(self, mini_batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the photos of each mini-batch of pairs, see `PairSource`."""
        pairs = [self.pair_index[indices] for indices in mini_batches]
        return self._iter_shoes([(rows[:, 0], rows[:, 1:2], rows[:, 2:3]) for rows in pairs])

    def iter_student_photos(self, mini_batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the photos of each mini-batch of students, see `PairSource`."""
        pairs = torch.arange(3)
        return self._iter_shoes(
            [(batch, pairs.expand(len(batch), 3), pairs.expand(len(batch), 3)) for batch in mini_batches]
        )

    def _iter_shoes(self, shoe_indices: list[_ShoeIndices]) -> Iterator[Tensor]:
        workers = 0 if self.reads_itself else min(READER_PROCESSES, len(shoe_indices))
        loader = DataLoader(
            _ShoeDataset(self.student_rows, self.edge, self.open_store),
            batch_size=None,
            sampler=shoe_indices,  # any sequence of dataset indices
            num_workers=workers,
            prefetch_factor=PREFETCHED_MINI_BATCHES if workers else None,
            generator=torch.Generator(),  # the loader draws a seed; the default generator is the one of dropout
            multiprocessing_context="spawn" if workers else None,  # a fork would inherit open HDF5 files and threads
        )
        for shoes in loader:
            if isinstance(shoes, STORE_ERRORS):
                raise shoes
            yield scale_to_centred_float(shoes.to(self.device))


_ShoeIndices = tuple[Tensor, Tensor, Tensor]  # (G,) students, (G, L) pairs of the left shoes, (G, L) of the right ones


class _ShoeDataset(Dataset[Tensor | ShoepairError | OSError]):
    """Dataset of mini-batches of shoes, read from the stores; every process opens each store once.

    An error of a store is returned as an item: raised in a worker, it would reach the user as a traceback.
    """

    def __init__(
        self, student_rows: pd.DataFrame, edge: int, open_store: Callable[[str], Store] = open_photo_store
    ) -> None:
        self.store_rows = [
            (str(batch), int(row)) for batch, row in zip(student_rows["batch"], student_rows["row"], strict=True)
        ]
        self.edge = edge
        self.open_store = open_store
        self._stores: dict[str, Store] = {}

    def __getitem__(self, shoe_indices: _ShoeIndices) -> Tensor | ShoepairError | OSError:
        try:
            return self._read_shoes(shoe_indices)
        except STORE_ERRORS as error:
            return error

    def _read_shoes(self, shoe_indices: _ShoeIndices) -> Tensor:
        groups = []
        photos_of: dict[int, Tensor] = {}  # nine pairs have the photos of one student
        for student, left, right in zip(*shoe_indices, strict=True):
            if int(student) not in photos_of:
                photos_of[int(student)] = self._read_student(int(student))
            photos = photos_of[int(student)]
            groups.append(torch.stack([photos[left, 0], photos[right, 1]], dim=1))
        shoes = torch.stack(groups)  # (G, L, 2, S, S, 3)
        return shoes if self.edge in (0, shoes.shape[3]) else downsample_to_float(shoes, self.edge)

    def _read_student(self, student: int) -> Tensor:
        """Return the photos of a student: (3, 2, S, S, 3)."""
        batch, row = self.store_rows[student]
        if batch not in self._stores:
            self._stores[batch] = self.open_store(batch)
            # Close before interpreter shutdown: later, HDF5 would read from SHOEPAIR_ROOT and crash.
            weakref.finalize(self, self._stores[batch].close)
        return torch.from_numpy(self._stores[batch].read_students([row])[0])
