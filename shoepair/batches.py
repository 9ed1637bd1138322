"""Stores and pairs -> the shoes of a batch, for training and for scoring.

Photos stay uint8 in memory, each once; a pair is three numbers that point into them. A batch is gathered, stacked and
scaled when it is asked for. (The notebook way, every pair image as float64, takes 4.3 GB for 113 students; this takes
0.1 GB.) Where the photos do not fit, worker processes read them from the stores, and the batches are the same, in the
same order.

Letters: B pairs, N students, G groups of L left and L right shoes, S edge of an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from shoepair import pairs, paths, table
from shoepair.errors import ShoepairError
from shoepair.splits import SPLITS, Split
from shoepair.store import Store, scaled

WORKERS = 2  # processes that read ahead where photos are streamed
AHEAD = 4  # batches that each of them has ready


class Pairing(Protocol):
    """Pairs and the photos they are of, wherever these lie: `PairData` in memory, `StreamedPairs` in the stores."""

    @property
    def shoes(self) -> Tensor:
        """(P, 3) int64: student 0..N-1, pair of the left shoe 0-2, pair of the right shoe 0-2."""

    @property
    def same(self) -> Tensor:
        """(P,) int64: 1 same pair, 0 different pairs."""

    def pairs(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """The shoes of pairs, (B, 1, 2, S, S, 3) floats for each (B,) tensor of pair numbers."""

    def students(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """The shoes of students, (G, 3, 2, S, S, 3) floats for each (G,) tensor of student numbers."""


@dataclass(frozen=True)
class PairData:
    """Photos in memory, and the pairs among them.

    Args:
        images: (N, 3, 2, S, S, 3): uint8, or float32 of -0.5..0.5; on the device that the batches are wanted on.
        shoes: (P, 3) int64: student 0..N-1, pair of the left shoe 0-2, pair of the right shoe 0-2.
        same: (P,) int64: 1 same pair, 0 different pairs.
    """

    images: Tensor
    shoes: Tensor
    same: Tensor

    def __len__(self) -> int:
        return len(self.shoes)

    def pairs(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `Pairing`."""
        for which in plan:
            student, left, right = self.shoes[which].to(self.images.device).unbind(1)
            shoes = torch.stack([self.images[student, left, 0], self.images[student, right, 1]], dim=1)
            yield floats(shoes).unsqueeze(1)

    def students(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `Pairing`."""
        for which in plan:
            yield floats(self.images[which.to(self.images.device)])

    def batch(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Some pairs, as the networks take them.

        Args:
            which: (B,) int64, pairs 0..P-1.

        Returns:
            (B, 3, 2S, S) float32 of -0.5..0.5 in channels-last layout, and (B,) labels.
        """
        (shoes,) = self.pairs([which])  # (B, 1, 2, S, S, 3)
        # Moving the axis costs nothing and leaves the channels last in memory, the layout convolutions are fast in.
        return shoes.flatten(1, 3).movedim(3, 1), self.same[which]

    def at(self, edge: int) -> PairData:
        """The same pairs with photos averaged down to an edge, once and not in every batch.

        Raises:
            ShoepairError: the photos' edge is no multiple of it.
        """
        return self if self.images.shape[3] == edge else replace(self, images=shrunk(self.images, edge))

    def on(self, device: torch.device) -> PairData:
        """The same pairs with the photos on a device."""
        return replace(self, images=self.images.to(device))


def floats(shoes: Tensor) -> Tensor:
    """Photos as the networks see them: the number of `store.scaled` from bytes, floats as they are."""
    return shoes.to(torch.float32).sub_(127.5).div_(255) if shoes.dtype == torch.uint8 else shoes


def shrunk(images: Tensor, edge: int) -> Tensor:
    """Photos averaged down to an edge: (..., S, S, 3) uint8 or float32 to (..., edge, edge, 3) float32 of -0.5..0.5.

    In a quarter of the pixels or fewer, floats take no more memory than the bytes did.

    Raises:
        ShoepairError: S is no multiple of the edge.
    """
    factor, rest = divmod(images.shape[-2], edge)
    if rest or not factor:
        found = f"photos of {images.shape[-2]} pixels, expected {edge} or a multiple of it"
        raise ShoepairError(found, fix="set `train.edge` to `normalize.edge`, or to a whole part of it")
    small = torch.empty((*images.shape[:-3], edge, edge, 3), dtype=torch.float32, device=images.device)
    for place in np.ndindex(images.shape[:-5]):  # a student at a time: all as floats would not fit
        photos = images[place].flatten(0, 1).movedim(-1, 1).to(torch.float32)  # (L 2, 3, S, S)
        mean = functional.avg_pool2d(photos, factor).movedim(1, -1).reshape(small[place].shape)
        small[place] = mean.sub_(127.5).div_(255) if images.dtype == torch.uint8 else mean
    return small


@dataclass(frozen=True)
class StreamedPairs:
    """Pairs whose photos stay in the stores; worker processes, each with the files open for itself, read them ahead.

    Args:
        rows: N rows with `batch` and `row`, the place of each student in the stores.
        shoes: (P, 3) int64, see `Pairing`.
        same: (P,) int64, see `Pairing`.
        edge: S, what the photos are averaged down to.
        device: where the batches are wanted.
    """

    rows: pd.DataFrame
    shoes: Tensor
    same: Tensor
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
            multiprocessing_context="spawn" if workers else None,  # a fork would inherit open HDF5 files and threads
        )
        for shoes in loader:
            yield floats(shoes.to(self.device))


_Wanted = tuple[Tensor, Tensor, Tensor]  # (G,) students, (G, L) pairs of the left shoes, (G, L) of the right ones


class _Reader(Dataset[Tensor]):
    """Reads the shoes of a batch; in every process it opens each store once."""

    def __init__(self, rows: pd.DataFrame, edge: int) -> None:
        self.places = [(str(batch), int(row)) for batch, row in zip(rows["batch"], rows["row"], strict=True)]
        self.edge = edge

    @cached_property
    def _stores(self) -> dict[str, Store]:
        return {}

    def __getitem__(self, wanted: _Wanted) -> Tensor:
        groups = []
        for student, left, right in zip(*wanted, strict=True):
            batch, row = self.places[int(student)]
            if batch not in self._stores:
                self._stores[batch] = Store(paths.store(batch))
            photos = torch.from_numpy(self._stores[batch].read([row])[0])  # (3, 2, S, S, 3)
            groups.append(torch.stack([photos[left, 0], photos[right, 1]], dim=1))
        shoes = torch.stack(groups)  # (G, L, 2, S, S, 3)
        return shoes if shoes.shape[3] == self.edge else shrunk(shoes, self.edge)


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
    students, shoes, same = _numbered(rows)
    return PairData(torch.from_numpy(_read(students)), shoes, same)


def within(rows: pd.DataFrame, edge: int, memory: int, device: torch.device) -> PairData | StreamedPairs:
    """The pairs of a table, their photos in memory if they fit, else streamed from the stores.

    Args:
        rows: `Pairs` rows, of one split or several.
        edge: S, what the photos are averaged down to.
        memory: what the photos may take, in bytes.
        device: where the batches are wanted.

    Returns:
        The same batches either way.

    Raises:
        ShoepairError: a store is missing, or its photos are of no multiple of the edge.
    """
    students, shoes, same = _numbered(rows)
    held = 0
    for batch, group in students.groupby("batch", sort=False):
        with Store(paths.store(str(batch))) as store:
            held += len(group) * 18 * store.edge**2  # 3 pairs, 2 sides, 3 channels
    if held <= memory:
        return PairData(torch.from_numpy(_read(students)), shoes, same).at(edge).on(device)
    return StreamedPairs(students, shoes, same, edge, device)


def _numbered(rows: pd.DataFrame) -> tuple[pd.DataFrame, Tensor, Tensor]:
    """The students of `Pairs` rows in the order in which they come; shoes and labels as `Pairing` has them."""
    students = rows[["batch", "row"]].drop_duplicates(ignore_index=True)
    places = rows[["batch", "row"]].merge(students.reset_index(names="place"), how="left", validate="many_to_one")
    shoes = np.stack([places["place"], rows["left"] - 1, rows["right"] - 1], axis=1)
    return students, torch.from_numpy(shoes), torch.tensor(rows["same"].to_numpy())


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
