"""Augmentation: random changes of training photos that keep a pair's label, new ones for every mini-batch.

A mirrored left shoe looks like a right shoe: a pair that is mirrored and has its sides swapped is another pair of the
same label. So is a pair whose sides alone are swapped, for a model that ignores which shoe is the left one: most
students hold the camera still and swap the shoe, so that both point the same way. Colour and light change alike for
all shoes of a group: they share floor and lamp, and a difference in colour must remain one. Rotation, shift and scale
are drawn for every photo.

Letters: G groups of L left and L right shoes, S edge of an image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from shoepair.training import sharding
from shoepair.training.config import AugmentationConfig
from shoepair.training.sharding import Shard

# Limits at strength 1. Colours: logarithms of the factors of each channel and of all channels, and what is added.
MAX_LOG_TINT, MAX_LOG_GAIN, MAX_OFFSET = 0.15, 0.25, 0.1
MAX_DEGREES, MAX_LOG_SCALE, MAX_SHIFT = 10.0, 0.1, 0.05  # the scale as a logarithm, the shift as a share of the edge


def augment_photos(
    shoes: Tensor, augmentation: AugmentationConfig, rng: torch.Generator, shard: Shard | None = None
) -> Tensor:
    """Return photos changed at random: mirrored, sides swapped, moved, recoloured.

    Args:
        shoes: (G, L, 2, S, S, 3) floats of -0.5..0.5, on any device.
        augmentation: which changes, and how strong.
        rng: on the CPU, so that every device gets the same changes; it draws for the whole mini-batch.
        shard: the groups of a mini-batch that `shoes` holds; by default all of them.

    Returns:
        The same shape; `shoes` itself is not changed.
    """
    if not len(shoes):
        return shoes  # grid_sample refuses an empty tensor
    random = _ShardRandom(rng, shard or sharding.full_shard(len(shoes)))
    if augmentation.mirror_swap:
        shoes = _apply_to_half(shoes, shoes.flip((2, 4)), random)
    if augmentation.swap_sides:
        shoes = _apply_to_half(shoes, shoes.flip(2), random)
    if augmentation.affine:
        shoes = _random_affine(shoes, augmentation.affine, random)
    if augmentation.color_jitter:
        shoes = _jitter_color(shoes, augmentation.color_jitter, random)
    return shoes


@dataclass(frozen=True)
class _ShardRandom:
    """Random numbers for the groups of a shard: drawn for the whole mini-batch, then selected."""

    rng: torch.Generator
    shard: Shard

    def uniform(self, *shape: int, per_group: int = 1) -> Tensor:
        """Return (G per_group, *shape) numbers of 0..1."""
        return self.shard.select(torch.rand((self.shard.total_rows * per_group, *shape), generator=self.rng))

    def symmetric(self, *shape: int, limit: float, per_group: int = 1) -> Tensor:
        """Return (G per_group, *shape) numbers of -limit..limit, uniformly distributed."""
        return (self.uniform(*shape, per_group=per_group) * 2 - 1) * limit


def _apply_to_half(shoes: Tensor, changed: Tensor, random: _ShardRandom) -> Tensor:
    """Return a random half of the groups changed, the others unchanged."""
    mask = (random.uniform() < 0.5).to(shoes.device)[:, None, None, None, None, None]
    return torch.where(mask, changed, shoes)


def _jitter_color(shoes: Tensor, strength: float, random: _ShardRandom) -> Tensor:
    """Change the light of each group: factors per channel and of all, an offset; clip to 0..1."""
    tint, gain = random.symmetric(3, limit=MAX_LOG_TINT * strength), random.symmetric(1, limit=MAX_LOG_GAIN * strength)
    factor = torch.exp(tint + gain)
    offset = random.symmetric(1, limit=MAX_OFFSET * strength).expand(-1, 3)
    factor, offset = (values.to(shoes)[:, None, None, None, None] for values in (factor, offset))
    # (value + 0.5) * factor + offset - 0.5, in as few passes over the pixels as possible
    return torch.addcmul(offset + (factor - 1) / 2, shoes, factor).clamp_(-0.5, 0.5)


def _random_affine(shoes: Tensor, strength: float, random: _ShardRandom) -> Tensor:
    """Rotate, scale and shift every photo a little; pixels from outside are reflected ones."""
    per_group, edge = shoes.shape[1] * 2, shoes.shape[3]
    angle = random.symmetric(limit=math.radians(MAX_DEGREES) * strength, per_group=per_group)
    scale = torch.exp(random.symmetric(limit=MAX_LOG_SCALE * strength, per_group=per_group))
    shift = random.symmetric(2, limit=2 * MAX_SHIFT * strength, per_group=per_group)  # grid_sample's edge is 2
    photos = shoes.flatten(0, 2).movedim(3, 1)  # (G L 2, 3, S, S)
    factor, offset = (
        values.to(photos.device)[:, None] for values in (torch.polar(scale, angle), torch.view_as_complex(shift))
    )
    # Positions as complex numbers: a product turns and scales, and one sum takes a tenth of the time of `affine_grid`.
    middles = (torch.arange(edge, device=photos.device) + 0.5) * (2 / edge) - 1  # of pixels, -1..1
    grid = torch.view_as_real((middles * factor)[:, None, :] + (middles * 1j * factor + offset)[:, :, None])
    moved = functional.grid_sample(photos, grid.to(photos.dtype), padding_mode="reflection", align_corners=False)
    return moved.movedim(1, 3).reshape(shoes.shape)
