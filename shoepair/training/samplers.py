"""Samplers: the pairs or students of each mini-batch of an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from shoepair.data.pair_dataset import PairSource
from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig

PAIRS_PER_STUDENT = 3  # of `batch_size`, for models trained on students: three pairs have as many photos


def iter_pair_index_mini_batches(
    train_pairs: PairSource, config: TrainConfig, rng: torch.Generator
) -> Iterator[Tensor]:
    """Yield the pair numbers of each mini-batch of an epoch, half same and half different.

    Args:
        train_pairs: pairs; of each student three standard different ones, or all six.
        config: `negatives`, `synthetic_ratio` and `batch_size`.
        rng: draws.

    Yields:
        (batch_size,) pair numbers; the last mini-batch may be shorter.
    """
    in_epoch = torch.isin(train_pairs.pair_index[:, 0], select_epoch_student_indices(train_pairs, config, rng))
    positive, negative = (torch.nonzero(in_epoch & (train_pairs.same == label)).flatten() for label in (1, 0))
    if config.negatives != "standard":
        left, right = train_pairs.pair_index[negative, 1], train_pairs.pair_index[negative, 2]
        is_next = (right - left) % 3 == 1
        first, second = negative[is_next], negative[~is_next]  # the two different pairs of each left shoe
        if len(first) != len(second):
            message = f"negatives: {config.negatives}, expected all six different pairs, found {len(negative)} in all"
            raise ShoepairError(message, fix="set `train.negatives: standard`")
        if config.negatives == "random":
            first, second = (pairs[_sort_by_left_shoe(train_pairs, pairs)] for pairs in (first, second))
            negative = torch.where(torch.rand(len(first), generator=rng) < 0.5, first, second)
        else:
            positive = torch.cat([positive, positive])
    return iter_balanced_index_mini_batches(positive, negative, config.batch_size, rng)


def _sort_by_left_shoe(train_pairs: PairSource, indices: Tensor) -> Tensor:
    """Return the permutation that sorts pairs by student and left shoe."""
    return torch.argsort(train_pairs.pair_index[indices, 0] * 3 + train_pairs.pair_index[indices, 1], stable=True)


def iter_student_index_mini_batches(
    train_pairs: PairSource, config: TrainConfig, rng: torch.Generator
) -> Iterator[Tensor]:
    """Yield the student numbers of each mini-batch of an epoch, for models trained on students."""
    students = select_epoch_student_indices(train_pairs, config, rng)
    order = torch.randperm(len(students), generator=rng)
    yield from torch.split(students[order], max(1, config.batch_size // PAIRS_PER_STUDENT))


def select_epoch_student_indices(train_pairs: PairSource, config: TrainConfig, rng: torch.Generator) -> Tensor:
    """Return the students of an epoch: all real ones and a random sample of synthetic ones.

    Returns:
        Student numbers: the real ones, ascending, then `synthetic_ratio` times as many synthetic ones.
    """
    real, synthetic = (torch.nonzero(train_pairs.is_synthetic_student == flag).flatten() for flag in (False, True))
    count = min(len(synthetic), round(config.synthetic_ratio * len(real)))
    if not count:
        return real
    return torch.cat([real, synthetic[torch.randperm(len(synthetic), generator=rng)[:count]]])


def iter_balanced_index_mini_batches(
    positive_indices: Tensor, negative_indices: Tensor, batch_size: int, rng: torch.Generator
) -> Iterator[Tensor]:
    """Yield shuffled mini-batches, half same and half different pairs, every pair once.

    There are as many positive (same) as negative numbers, and `batch_size` is even; `rng` draws both permutations.
    """
    half = batch_size // 2
    positive_indices, negative_indices = (
        indices[torch.randperm(len(indices), generator=rng)] for indices in (positive_indices, negative_indices)
    )
    for start in range(0, max(len(positive_indices), len(negative_indices)), half):
        yield torch.cat([positive_indices[start : start + half], negative_indices[start : start + half]])
