"""A short training with all random options enabled."""

from __future__ import annotations

from torch import Tensor, nn

from shoepair.training.config import AugmentationConfig, TrainConfig

EDGE = 32
RECIPE = TrainConfig(
    epochs=4,
    batch_size=12,
    negatives="random",
    augmentation=AugmentationConfig(mirror_swap=True, color_jitter=0.5, affine=0.5),
    lr_schedule="cosine",
)


def weights(model: nn.Module) -> list[Tensor]:
    """Return all tensors of a model, parameters and statistics."""
    return list(model.state_dict().values())
