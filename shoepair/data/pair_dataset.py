"""Pairs with their photos in memory, in mini-batches for training and scoring.

Photos stay uint8 and are stored once; a pair is three indices into them. Mini-batches are gathered, stacked and scaled
on demand. (Every pair image as float64, as in the notebook, takes 4.3 GB for 113 students; this takes 0.1 GB.)

Letters: B pairs, N students, G groups of L left and L right shoes, S edge of an image.
"""

from __future__ import annotations

import warnings
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


class PairSource(Protocol):
    """Protocol of pairs with their photos: `InMemoryPairs` and `streaming.StreamedPairs` implement it."""

    @property
    def pair_index(self) -> Tensor:
        """(P, 3) int64, for each pair: student 0..N-1, pair of the left shoe 0-2, pair of the right shoe 0-2."""

    @property
    def same(self) -> Tensor:
        """(P,) int64 labels: 1 same, 0 different."""

    @property
    def is_synthetic_student(self) -> Tensor:
        """(N,) bool: which students are synthetic; they are used for training and never for metrics."""

    def iter_pair_photos(self, mini_batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the photos of each mini-batch of pairs: (B,) indices to (B, 1, 2, S, S, 3) floats."""

    def iter_student_photos(self, mini_batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the photos of each mini-batch of students: (G,) indices to (G, 3, 2, S, S, 3) floats."""


@dataclass(frozen=True)
class InMemoryPairs:
    """Pairs whose photos are held in memory.

    Args:
        images: (N, 3, 2, S, S, 3): uint8, or float32 of -0.5..0.5; on the device of the mini-batches.
        pair_index, same, is_synthetic_student: see `PairSource`.
    """

    images: Tensor
    pair_index: Tensor
    same: Tensor
    is_synthetic_student: Tensor

    def __len__(self) -> int:
        return len(self.pair_index)

    def iter_pair_photos(self, mini_batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the photos of each mini-batch of pairs, see `PairSource`."""
        photos = self.images.flatten(0, 2)  # (6N, S, S, 3): student, pair, side
        for indices in mini_batches:
            student, left, right = self.pair_index[indices].unbind(1)
            rows = torch.stack([student * 6 + left * 2, student * 6 + right * 2 + 1], dim=1).flatten()
            # One index_select for both sides: one for each side and a stack take twice as long.
            shoes = scale_to_centred_float(photos.index_select(0, rows.to(photos.device)))
            yield shoes.reshape(-1, 1, 2, *photos.shape[1:])

    def iter_student_photos(self, mini_batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the photos of each mini-batch of students, see `PairSource`."""
        for indices in mini_batches:
            yield scale_to_centred_float(self.images.index_select(0, indices.to(self.images.device)))

    def get_mini_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return pair images and labels of the pairs with these indices.

        Args:
            indices: (B,) int64, pairs 0..P-1.

        Returns:
            (B, 3, 2S, S) float32 of -0.5..0.5 in channels-last layout, and (B,) labels.
        """
        (shoes,) = self.iter_pair_photos([indices])  # (B, 1, 2, S, S, 3)
        # Moving the axis copies nothing and leaves the channels last in memory, where convolutions are fast.
        return shoes.flatten(1, 3).movedim(3, 1), self.same[indices]

    def downsample(self, edge: int) -> InMemoryPairs:
        """Return the same pairs with all photos averaged down to an edge length.

        Raises:
            ShoepairError: the photos' edge is not a multiple of `edge`.
        """
        return self if self.images.shape[3] == edge else replace(self, images=downsample_to_float(self.images, edge))

    def to_device(self, device: torch.device) -> InMemoryPairs:
        """Return the same pairs with the photos moved to a device."""
        return replace(self, images=self.images.to(device))


def drop_synthetic_pairs(data: PairSource) -> PairSource:
    """Return only the pairs of real students; the photos are shared, not copied."""
    is_real = ~data.is_synthetic_student[data.pair_index[:, 0]]
    real: PairSource = replace(data, pair_index=data.pair_index[is_real], same=data.same[is_real])  # type: ignore[type-var]  # both are dataclasses
    return real


def scale_to_centred_float(photos: Tensor) -> Tensor:
    """Scale uint8 photos to float32 of -0.5..0.5, as `store.scale_to_centred_float`; return float photos unchanged."""
    return photos.to(torch.float32).sub_(127.5).div_(255) if photos.dtype == torch.uint8 else photos


def downsample_to_float(images: Tensor, edge: int) -> Tensor:
    """Average photos down to an edge: (..., S, S, 3) uint8 or float32 to (..., edge, edge, 3) float32 of -0.5..0.5.

    From half the edge down, the floats take no more memory than the uint8 photos.

    Raises:
        ShoepairError: S is not a multiple of `edge`.
    """
    factor, remainder = divmod(images.shape[-2], edge)
    if remainder or not factor:
        message = f"photos of {images.shape[-2]} pixels, expected {edge} or a multiple of it"
        raise ShoepairError(message, fix="set `train.edge` to `normalize.edge`, or to that divided by a whole number")
    small = torch.empty((*images.shape[:-3], edge, edge, 3), dtype=torch.float32, device=images.device)
    for index in np.ndindex(images.shape[:-5]):  # one student at a time: all as floats would not fit
        photos = images[index].flatten(0, 1).movedim(-1, 1).to(torch.float32)  # (L 2, 3, S, S)
        mean = functional.avg_pool2d(photos, factor).movedim(1, -1).reshape(small[index].shape)
        small[index] = mean.sub_(127.5).div_(255) if images.dtype == torch.uint8 else mean
    return small


def make_standard_pair_dataset(photos: NDArray[np.uint8] | NDArray[np.float32]) -> InMemoryPairs:
    """Build the standard pairs of N students from an array of their photos.

    Args:
        photos: (N, 3, 2, S, S, 3): uint8, or floating point of -0.5..0.5.

    Returns:
        3N same and 3N different pairs.
    """
    standard = pairs.left_right_combination_rows().query("standard")
    students = np.repeat(np.arange(len(photos)), len(standard))
    left, right, same = (np.tile(standard[name], len(photos)) for name in ("left", "right", "same"))
    pair_index = np.stack([students, left - 1, right - 1], axis=1)
    images = photos if photos.dtype == np.uint8 else photos.astype(np.float32, copy=False)
    is_synthetic = torch.zeros(len(photos), dtype=torch.bool)
    with warnings.catch_warnings(action="ignore"):  # of arrays that are not writable: nobody writes to them
        tensor = torch.from_numpy(images)
    return InMemoryPairs(tensor, torch.tensor(pair_index), torch.tensor(same), is_synthetic)
