"""Training that is stopped goes on to the same bits; photos from the stores give the same batches as from memory."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from shoepair.data import loading
from shoepair.models import registry
from shoepair.training import loop
from shoepair.training.config import Augmentation, TrainConfig

EDGE = 32
RECIPE = TrainConfig(
    epochs=4,
    batch_size=12,
    different="drawn",
    augmentation=Augmentation(mirror=True, colour=0.5, affine=0.5),
    schedule="cosine",
)


def weights(model: nn.Module) -> list[Tensor]:
    return list(model.state_dict().values())


@pytest.mark.parametrize("name", ["cnn", "siamese", "histogram"])
def test_streamed_training_ends_in_the_same_bits(name: str, rows: pd.DataFrame) -> None:
    trained = []
    for memory in (2**30, 0):
        data = loading.within(rows, EDGE // 2, memory, torch.device("cpu"))
        model = registry.build(name, registry.ModelConfig(n=2, dropout=0.3, edge=EDGE // 2), 1)
        loop.fit(model, data, data, RECIPE.model_copy(update={"epochs": 1}))
        trained.append(weights(model))
    assert all(torch.equal(one, other) for one, other in zip(*trained, strict=True))
