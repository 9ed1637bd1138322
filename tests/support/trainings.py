"""A short training with everything switched on that draws numbers."""

from __future__ import annotations

from torch import Tensor, nn

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
    """All tensors of a model, parameters and statistics."""
    return list(model.state_dict().values())
