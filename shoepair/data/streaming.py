"""Photos that do not fit in memory: worker processes read them from the stores, the same batches in the same order.

Letters: B pairs, N students, G groups of L left and L right shoes, S edge of an image.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shoepair.data.pair_dataset import floats, shrunk
from shoepair.data.store import Store
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

WORKERS = 2  # processes that read ahead where photos are streamed
AHEAD = 4  # batches that each of them has ready


@dataclass(frozen=True)
class StreamedPairs:
    """Pairs whose photos stay in the stores; worker processes, each with the files open for itself, read them ahead.

    Args:
        rows: N rows with `batch` and `row`, the place of each student in the stores.
        shoes, same, synthetic: see `Pairing`.
        edge: S, what the photos are averaged down to.
        device: where the batches are wanted.
    """

    rows: pd.DataFrame
    shoes: Tensor
    same: Tensor
    synthetic: Tensor
    edge: int
    device: torch.device = torch.device("cpu")  # noqa: RUF009  # a constant

    def __len__(self) -> int:
        return len(self.shoes)

    def pairs(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `Pairing`."""
        wanted = [self.shoes[which] for which in plan]
        return self._read([(shoes[:, 0], shoes[:, 1:2], shoes[:, 2:3]) for shoes in wanted])

    def students(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `Pairing`."""
        every = torch.arange(3)
        return self._read([(which, every.expand(len(which), 3), every.expand(len(which), 3)) for which in plan])

    def _read(self, plan: list[_Wanted]) -> Iterator[Tensor]:
        workers = min(WORKERS, len(plan))
        loader = DataLoader(
            _Reader(self.rows, self.edge),
            batch_size=None,
            sampler=plan,  # any sequence of what the data set takes will do
            num_workers=workers,
            prefetch_factor=AHEAD if workers else None,
            generator=torch.Generator(),  # it draws a seed, by itself from the generator that dropout draws from
            multiprocessing_context="spawn" if workers else None,  # a fork would inherit open HDF5 files and threads
        )
        for shoes in loader:
            if isinstance(shoes, ShoepairError):
                raise shoes
            yield floats(shoes.to(self.device))


_Wanted = tuple[Tensor, Tensor, Tensor]  # (G,) students, (G, L) pairs of the left shoes, (G, L) of the right ones


class _Reader(Dataset[Tensor | ShoepairError]):
    """Reads the shoes of a batch; in every process it opens each store once.

    What is wrong with a store comes as an item: raised in a worker, it would reach the user as a traceback.
    """

    def __init__(self, rows: pd.DataFrame, edge: int) -> None:
        self.places = [(str(batch), int(row)) for batch, row in zip(rows["batch"], rows["row"], strict=True)]
        self.edge = edge
        self._stores: dict[str, Store] = {}

    def __getitem__(self, wanted: _Wanted) -> Tensor | ShoepairError:
        try:
            return self._shoes(wanted)
        except ShoepairError as error:
            return error

    def _shoes(self, wanted: _Wanted) -> Tensor:
        groups = []
        for student, left, right in zip(*wanted, strict=True):
            batch, row = self.places[int(student)]
            if batch not in self._stores:
                self._stores[batch] = Store(paths.store(batch), shared=True)
                # Before Python takes itself apart: HDF5 would ask SHOEPAIR_ROOT for bytes afterwards, and crash.
                weakref.finalize(self, self._stores[batch].close)
            photos = torch.from_numpy(self._stores[batch].read([row])[0])  # (3, 2, S, S, 3)
            groups.append(torch.stack([photos[left, 0], photos[right, 1]], dim=1))
        shoes = torch.stack(groups)  # (G, L, 2, S, S, 3)
        return shoes if shoes.shape[3] == self.edge else shrunk(shoes, self.edge)
