"""More to learn from the same photos: changes that leave a pair a pair, drawn anew for every batch.

Mirrored swap: a mirrored left shoe looks like a right shoe, so both mirrored and exchanged are another pair of the
same label. Exchanged without being mirrored they are one too, to whoever does not ask which is the left one: most
students hold the camera still and exchange the shoe, so that both point the same way. Colour and light change for all
shoes of a group alike, since floor and lamp are theirs together and a difference in colour must stay one. Small turns,
shifts and sizes are drawn for every photo by itself.

Letters: G groups of L left and L right shoes, S edge of an image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from shoepair.training import sharding
from shoepair.training.config import Augmentation
from shoepair.training.sharding import Share

TINT, LIGHT, OFFSET = 0.15, 0.25, 0.1  # at strength 1: of each channel, of all (both as logarithms), added
TURN, SCALE, SHIFT = 10.0, 0.1, 0.05  # at strength 1: degrees, logarithm of the size, part of the edge


def augment(shoes: Tensor, how: Augmentation, rng: torch.Generator, share: Share | None = None) -> Tensor:
    """Changes photos at random.

    Args:
        shoes: (G, L, 2, S, S, 3) floats of -0.5..0.5, on any device.
        how: how much.
        rng: on the CPU, so that every device sees the same changes; it draws for the whole batch.
        share: which groups of a batch the shoes are; not given, they are the whole batch.

    Returns:
        The same shape; the argument is not changed.
    """
    if not len(shoes):
        return shoes  # torch moves no photos where there are none
    draw = _Draw(rng, share or sharding.whole(len(shoes)))
    if how.mirror:
        shoes = _some(shoes, shoes.flip((2, 4)), draw)
    if how.exchange:
        shoes = _some(shoes, shoes.flip(2), draw)
    if how.affine:
        shoes = _moved(shoes, how.affine, draw)
    if how.colour:
        shoes = _coloured(shoes, how.colour, draw)
    return shoes


@dataclass(frozen=True)
class _Draw:
    """Random numbers for the groups of a share, of those that are drawn for the whole batch."""

    rng: torch.Generator
    share: Share

    def uniform(self, *shape: int, each: int = 1) -> Tensor:
        """(G each, *shape) numbers of 0 to 1."""
        return self.share.of(torch.rand((self.share.total * each, *shape), generator=self.rng))

    def spread(self, *shape: int, most: float, each: int = 1) -> Tensor:
        """(G each, *shape) numbers evenly spread over -most..most."""
        return (self.uniform(*shape, each=each) * 2 - 1) * most


def _some(shoes: Tensor, changed: Tensor, draw: _Draw) -> Tensor:
    """Half of the groups as changed, the others as they are."""
    chosen = (draw.uniform() < 0.5).to(shoes.device)[:, None, None, None, None, None]
    return torch.where(chosen, changed, shoes)


def _coloured(shoes: Tensor, strength: float, draw: _Draw) -> Tensor:
    """Every group in another light: each channel and all together multiplied, something added, cut off at 0 and 1."""
    factor = torch.exp(draw.spread(3, most=TINT * strength) + draw.spread(1, most=LIGHT * strength))
    offset = draw.spread(1, most=OFFSET * strength).expand(-1, 3)
    factor, offset = (each.to(shoes)[:, None, None, None, None] for each in (factor, offset))
    # (value + 0.5) * factor + offset - 0.5, in as few passes over the pixels as can be
    return torch.addcmul(offset + (factor - 1) / 2, shoes, factor).clamp_(-0.5, 0.5)


def _moved(shoes: Tensor, strength: float, draw: _Draw) -> Tensor:
    """Every photo turned, scaled and shifted a little; what comes in from outside is the photo's own mirror image."""
    each = shoes.shape[1] * 2
    turn = draw.spread(most=math.radians(TURN) * strength, each=each)
    scale = torch.exp(draw.spread(most=SCALE * strength, each=each))
    shift = draw.spread(2, most=2 * SHIFT * strength, each=each)  # affine_grid counts from -1 to 1
    rows = [torch.stack([turn.cos() * scale, -turn.sin() * scale, shift[:, 0]], dim=1)]
    rows.append(torch.stack([turn.sin() * scale, turn.cos() * scale, shift[:, 1]], dim=1))
    photos = shoes.flatten(0, 2).movedim(3, 1)  # (G L 2, 3, S, S)
    grid = functional.affine_grid(torch.stack(rows, dim=1).to(shoes), list(photos.shape), align_corners=False)
    moved = functional.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)
    return moved.movedim(1, 3).reshape(shoes.shape)
