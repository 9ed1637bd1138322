"""Which pairs or students come together in the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from shoepair.data.pair_dataset import Pairing
from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig

STUDENT = 3  # pairs of a batch that are one student where whole students are compared: as many photos are seen


def pair_batches(train: Pairing, config: TrainConfig, rng: torch.Generator) -> Iterator[Tensor]:
    """The batches of an epoch: which pairs, by the config, dealt half and half.

    Args:
        train: pairs; of each student three standard ones or all six different ones.
        config: `different`, `synthetic` and `batch_size`.
        rng: draws.

    Yields:
        (batch_size,) pair numbers, the last batch shorter if the pairs do not come out even.
    """
    here = torch.isin(train.shoes[:, 0], epoch_students(train, config, rng))
    positive, negative = (torch.nonzero(here & (train.same == label)).flatten() for label in (1, 0))
    if config.different != "standard":
        left, right = train.shoes[negative, 1], train.shoes[negative, 2]
        next_one = (right - left) % 3 == 1
        one, other = negative[next_one], negative[~next_one]  # the two different pairs of each left shoe
        if len(one) != len(other):
            found = f"different: {config.different}, expected all six different pairs, found {len(negative)} in all"
            raise ShoepairError(found, fix="set `train.different: standard`")
        if config.different == "drawn":
            one, other = one[_ordered(train, one)], other[_ordered(train, other)]
            negative = torch.where(torch.rand(len(one), generator=rng) < 0.5, one, other)
        else:
            positive = torch.cat([positive, positive])
    return balanced_batches(positive, negative, config.batch_size, rng)


def _ordered(train: Pairing, which: Tensor) -> Tensor:
    """The order of pairs by student and left shoe."""
    return torch.argsort(train.shoes[which, 0] * 3 + train.shoes[which, 1], stable=True)


def student_batches(train: Pairing, config: TrainConfig, rng: torch.Generator) -> Iterator[Tensor]:
    """The batches of an epoch for models that compare whole students: a student, six photos, for three pairs."""
    students = epoch_students(train, config, rng)
    order = torch.randperm(len(students), generator=rng)
    yield from torch.split(students[order], max(1, config.batch_size // STUDENT))


def epoch_students(train: Pairing, config: TrainConfig, rng: torch.Generator) -> Tensor:
    """The students of an epoch: all photographed ones, and `synthetic` times as many of the synthetic ones.

    Returns:
        Their numbers, the photographed ones first, these ascending.
    """
    photographed, synthetic = (torch.nonzero(train.synthetic == drawn).flatten() for drawn in (False, True))
    count = min(len(synthetic), round(config.synthetic * len(photographed)))
    if not count:
        return photographed
    return torch.cat([photographed, synthetic[torch.randperm(len(synthetic), generator=rng)[:count]]])


def balanced_batches(positive: Tensor, negative: Tensor, batch_size: int, order: torch.Generator) -> Iterator[Tensor]:
    """Deal pairs into batches as `pair_batches` yields them, half same and half different, every pair once.

    There are as many positive (same) as negative numbers, and `batch_size` is even; `order` draws the two shuffles.
    """
    half = batch_size // 2
    positive, negative = (kind[torch.randperm(len(kind), generator=order)] for kind in (positive, negative))
    for start in range(0, max(len(positive), len(negative)), half):
        yield torch.cat([positive[start : start + half], negative[start : start + half]])
