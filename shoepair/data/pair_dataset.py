"""Pairs and the photos they are of, in memory: the shoes of a batch, for training and for scoring.

Photos stay uint8, each once; a pair is three numbers that point into them. A batch is gathered, stacked and scaled
when it is asked for. (The notebook way, every pair image as float64, takes 4.3 GB for 113 students; this 0.1 GB.)

Letters: B pairs, N students, G groups of L left and L right shoes, S edge of an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from shoepair.data import pairs
from shoepair.runtime.errors import ShoepairError


class Pairing(Protocol):
    """Pairs and the photos they are of: `PairData` has these in memory, `streaming.StreamedPairs` in the stores."""

    @property
    def shoes(self) -> Tensor:
        """(P, 3) int64: student 0..N-1, pair of the left shoe 0-2, pair of the right shoe 0-2."""

    @property
    def same(self) -> Tensor:
        """(P,) int64: 1 same pair, 0 different pairs."""

    @property
    def synthetic(self) -> Tensor:
        """(N,) bool: which students are synthetic, that is learnt from and left out of every accuracy."""

    def pairs(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """The shoes of pairs, (B, 1, 2, S, S, 3) floats for each (B,) tensor of pair numbers."""

    def students(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """The shoes of students, (G, 3, 2, S, S, 3) floats for each (G,) tensor of student numbers."""


@dataclass(frozen=True)
class PairData:
    """Photos in memory, and the pairs among them.

    Args:
        images: (N, 3, 2, S, S, 3): uint8, or float32 of -0.5..0.5; on the device that the batches are wanted on.
        shoes, same, synthetic: see `Pairing`.
    """

    images: Tensor
    shoes: Tensor
    same: Tensor
    synthetic: Tensor

    def __len__(self) -> int:
        return len(self.shoes)

    def pairs(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `Pairing`."""
        photos = self.images.flatten(0, 2)  # (6N, S, S, 3): student, pair, side
        for which in plan:
            student, left, right = self.shoes[which].unbind(1)
            rows = torch.stack([student * 6 + left * 2, student * 6 + right * 2 + 1], dim=1).flatten()
            # One look into the photos, in one pass: a look for each side and a stack of both take twice as long.
            shoes = floats(photos.index_select(0, rows.to(photos.device)))
            yield shoes.reshape(-1, 1, 2, *photos.shape[1:])

    def students(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `Pairing`."""
        for which in plan:
            yield floats(self.images.index_select(0, which.to(self.images.device)))

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


def without_synthetic(data: Pairing) -> Pairing:
    """The pairs of the students who are not synthetic; the photos are the same ones."""
    own = ~data.synthetic[data.shoes[:, 0]]
    kept: Pairing = replace(data, shoes=data.shoes[own], same=data.same[own])  # type: ignore[type-var]  # both are dataclasses
    return kept


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


def from_arrays(data: NDArray[np.uint8] | NDArray[np.float32]) -> PairData:
    """The standard pairs of some students, from their photos as an array.

    Args:
        data: (N, 3, 2, S, S, 3): uint8, or floating point of -0.5..0.5.

    Returns:
        3N same and 3N different pairs.
    """
    standard = pairs.combinations().query("standard")
    students = np.repeat(np.arange(len(data)), len(standard))
    left, right, same = (np.tile(standard[name], len(data)) for name in ("left", "right", "same"))
    shoes = np.stack([students, left - 1, right - 1], axis=1)
    images = data if data.dtype == np.uint8 else data.astype(np.float32, copy=False)
    synthetic = torch.zeros(len(data), dtype=torch.bool)
    return PairData(torch.from_numpy(images), torch.tensor(shoes), torch.tensor(same), synthetic)
