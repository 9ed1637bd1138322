"""One mini-batch that stays in memory: the reference for the speed of training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from shoepair.data.pair_dataset import InMemoryPairs
from shoepair.training import samplers


class ResidentBatch:
    """The same mini-batch again and again: training if data cost nothing."""

    def __init__(self, data: InMemoryPairs, batch_size: int) -> None:
        self.pair_index, self.same, self.is_synthetic_student = data.pair_index, data.same, data.is_synthetic_student
        (self._pairs,) = data.iter_pair_photos([torch.arange(min(batch_size, len(data)))])
        (self._students,) = data.iter_student_photos(
            [torch.arange(min(batch_size // samplers.PAIRS_PER_STUDENT, len(data.images)))]
        )

    def iter_pair_photos(self, plan: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Yield as many pairs of the resident batch as each mini-batch has."""
        return (self._pairs[: len(indices)] for indices in plan)

    def iter_student_photos(self, plan: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Yield as many students of the resident batch as each mini-batch has."""
        return (self._students[: len(indices)] for indices in plan)
