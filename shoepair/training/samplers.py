"""Which pairs or students come together in the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from shoepair.data.pair_dataset import Pairing
from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig

STUDENT = 3  # pairs of a batch that are one student where whole students are compared: as many photos are seen


def pair_batches(train: Pairing, recipe: TrainConfig, rng: torch.Generator) -> Iterator[Tensor]:
    """The batches of an epoch: which pairs, by the recipe, dealt half and half.

    Args:
        train: pairs; of each student three standard ones or all six different ones.
        recipe: `different`, `synthetic` and `batch_size`.
        rng: draws.

    Yields:
        (batch_size,) pair numbers, the last batch shorter if the pairs do not come out even.
    """
    here = torch.isin(train.shoes[:, 0], taken(train, recipe, rng))
    positive, negative = (torch.nonzero(here & (train.same == label)).flatten() for label in (1, 0))
    if recipe.different != "standard":
        left, right = train.shoes[negative, 1], train.shoes[negative, 2]
        next_one = (right - left) % 3 == 1
        one, other = negative[next_one], negative[~next_one]  # the two different pairs of each left shoe
        if len(one) != len(other):
            found = f"different: {recipe.different}, expected all six different pairs, found {len(negative)} in all"
            raise ShoepairError(found, fix="set `train.different: standard`")
        if recipe.different == "drawn":
            one, other = one[_ordered(train, one)], other[_ordered(train, other)]
            negative = torch.where(torch.rand(len(one), generator=rng) < 0.5, one, other)
        else:
            positive = torch.cat([positive, positive])
    return balanced_batches(positive, negative, recipe.batch_size, rng)


def _ordered(train: Pairing, which: Tensor) -> Tensor:
    """The order of pairs by student and left shoe."""
    return torch.argsort(train.shoes[which, 0] * 3 + train.shoes[which, 1], stable=True)


def student_batches(train: Pairing, recipe: TrainConfig, rng: torch.Generator) -> Iterator[Tensor]:
    """The batches of an epoch for models that compare whole students: a student, six photos, for three pairs."""
    students = taken(train, recipe, rng)
    order = torch.randperm(len(students), generator=rng)
    yield from torch.split(students[order], max(1, recipe.batch_size // STUDENT))


def taken(train: Pairing, recipe: TrainConfig, rng: torch.Generator) -> Tensor:
    """The students of an epoch: all photographed ones, and of the drawn ones some, `synthetic` for each of the others.

    Returns:
        Their numbers, ascending among the photographed ones, which come first.
    """
    photographed = int(train.shoes[:, 0].max()) + 1 - train.synthetic
    drawn = min(train.synthetic, round(recipe.synthetic * photographed))
    if not drawn:
        return torch.arange(photographed)
    order = torch.randperm(train.synthetic, generator=rng)
    return torch.cat([torch.arange(photographed), photographed + order[:drawn]])


def balanced_batches(positive: Tensor, negative: Tensor, batch_size: int, order: torch.Generator) -> Iterator[Tensor]:
    """Deal pairs into batches, half same and half different, every pair once.

    Args:
        positive: numbers of same pairs.
        negative: as many numbers of different pairs.
        batch_size: an even number.
        order: draws the two shuffles.

    Yields:
        (batch_size,) pair numbers, the last batch shorter if the pairs do not come out even.
    """
    half = batch_size // 2
    positive, negative = (kind[torch.randperm(len(kind), generator=order)] for kind in (positive, negative))
    for start in range(0, max(len(positive), len(negative)), half):
        yield torch.cat([positive[start : start + half], negative[start : start + half]])
