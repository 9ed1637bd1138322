"""What every model has in common.

A pair image is (3, 2S, S), the left shoe above the right one.

Letters: B pairs, S edge of a shoe image, G groups of L left and L right shoes, n channels after the first convolution.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from shoepair.models.config import ModelConfig
from shoepair.runtime.errors import ShoepairError

HIDDEN = 100  # units of the first linear layer, as the assignment sets it
CLASSES = 2  # logits: different, same


def features(inputs: int, config: ModelConfig) -> nn.Sequential:
    """Four times convolution, 2x2 max pooling, ReLU: (B, inputs, H, W) to (B, 8n, H/16, W/16).

    Pooling comes before ReLU: the larger of two numbers, cut off at 0, is the same in either order, and ReLU, and
    batch normalisation between them, have a quarter of the work.
    """
    widths = [inputs, config.n, 2 * config.n, 4 * config.n, 8 * config.n]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        # Batch normalisation takes every constant away again: the gradient of a bias would be rounding alone.
        bias = not config.batch_norm
        layers.append(nn.Conv2d(before, after, config.kernel_size, padding=config.kernel_size // 2, bias=bias))
        layers += [nn.MaxPool2d(2), *([nn.BatchNorm2d(after)] if config.batch_norm else []), nn.ReLU()]
    return nn.Sequential(*layers)


def reduced(images: Tensor, edge: int) -> Tensor:
    """Pair images averaged down to the edge S that a model was built for: (B, 3, 2fS, fS) to (B, 3, 2S, S).

    f is 1, 2, ...; where it is 1, they are the images themselves.

    Raises:
        ShoepairError: the images are of another edge.
    """
    factor, rest = divmod(images.shape[-1], edge)
    if rest or not factor:
        found = f"images of {images.shape[-1]} pixels, expected {edge} or a multiple of it"
        raise ShoepairError(found, fix="scale the photos, or build the model for them: `CNN(edge=...)`")
    return functional.avg_pool2d(images, factor) if factor > 1 else images


def middle(photos: Tensor, share: float) -> Tensor:
    """The middle of photos: (B, 3, S, S) to (B, 3, M, M), M the share of S, with as much cut left as right."""
    edge = photos.shape[-1]
    cut = round(edge * (1 - share) / 2)
    return photos[..., cut : edge - cut, cut : edge - cut]


def matched(sides: Tensor) -> tuple[Tensor, Tensor]:
    """Every left with every right one of a group, without a copy: (G, L, 2, ...) to twice (G, L, L, ...)."""
    shape = (*sides.shape[:2], sides.shape[1], *sides.shape[3:])
    return sides[:, :, None, 0].expand(shape), sides[:, None, :, 1].expand(shape)


def joined(shoes: Tensor) -> Tensor:
    """Pair images of every left with every right shoe of a group: (G, L, 2, S, S, 3) to (G L L, 3, 2S, S)."""
    stacked = torch.cat(matched(shoes), dim=3).flatten(0, 2)  # (G L L, 2S, S, 3)
    return stacked.movedim(3, 1)  # channels last in memory: costs nothing, and convolutions are fast in this layout


def tta_views(images: Tensor) -> list[Tensor]:
    """A pair as it is, mirrored, with its sides swapped, and both: (B, 3, 2S, S) to four of these, labels alike."""
    both_ways = [images, images.flip(3)]
    return both_ways + [each.roll(images.shape[3], 2) for each in both_ways]


class Model(nn.Module):
    """What every model is to the rest of the project.

    Input (B, 3, 2S, S) float, value = byte / 255 - 0.5, S a multiple of `config.edge`; output (B, 2) logits:
    different, same. Arguments, by name: see `ModelConfig`.
    """

    whole_students: ClassVar[bool] = False  # trained on all combinations of a student's shoes at once
    views_differ: ClassVar[bool] = False  # whether a pair mirrored or with its sides swapped may get another answer

    def __init__(self, **layers: Any) -> None:
        super().__init__()
        config = ModelConfig(**layers)
        self.config = config.model_copy(update={"tta": config.tta and self.views_differ})
        self.make_layers()

    def make_layers(self) -> None:
        """Create the layers that `config` asks for."""
        raise NotImplementedError

    def answer(self, images: Tensor) -> Tensor:
        """Logits from one view of each pair: (B, 3, 2S, S), S = `config.edge`, to (B, 2)."""
        raise NotImplementedError

    def forward(self, x: Tensor, *, tta: bool = True) -> Tensor:
        """Logits of each pair image: (B, 3, 2S, S) to (B, 2).

        `tta` False asks for one view of each pair, whatever `config.tta` says: a quarter of the work.
        """
        images = reduced(x, self.config.edge)
        if self.training or not (tta and self.config.tta):
            return self.answer(images)
        answers = [self.answer(view) for view in tta_views(images)]
        return sum(answers[1:], answers[0]) / len(answers)

    def combinations(self, shoes: Tensor) -> Tensor:
        """Logits of every left with every right shoe of a group: (G, L, 2, S, S, 3) to (G, L, L, 2)."""
        logits: Tensor = self(joined(shoes))
        return logits.reshape(shoes.shape[0], shoes.shape[1], shoes.shape[1], CLASSES)


class Threshold(Model):
    """A model without gradients: a distance between the two shoes, and one threshold that the training pairs set.

    Logits are 0 and slope x (threshold - distance). The slope is one over the distances' deviation, so that logits
    are of the size of a network's; temperature scaling makes probabilities of them.
    """

    threshold: Tensor
    slope: Tensor

    def make_layers(self) -> None:
        """The threshold, and the slope of the logits."""
        self.register_buffer("threshold", torch.zeros((), dtype=torch.float64))
        self.register_buffer("slope", torch.ones((), dtype=torch.float64))

    def distance(self, x: Tensor) -> Tensor:
        """How far the shoes of each pair image are apart: (B, 3, 2S, S) to (B,) float64."""
        raise NotImplementedError

    def settle(self, distances: Tensor, same: Tensor, weights: Tensor) -> None:
        """Set the threshold that is right most often on the training pairs.

        Of each of them there is the distance, float64, the label, and how much it counts: (P,) each.
        """
        order = torch.argsort(distances, stable=True)
        ranked = distances[order]
        # Right if the first k pairs are called same: their weight where same, that of the others where different.
        gain = torch.where(same == 1, weights, -weights)[order].double()
        right = torch.cat([gain.new_zeros(1), gain.cumsum(0)])
        end = torch.ones(1, dtype=torch.bool)
        ends = torch.cat([end, ranked[1:] > ranked[:-1], end])  # no threshold parts equal distances
        best = int(torch.where(ends, right, -torch.inf).argmax())  # the first of equally good ones
        padded = torch.cat([ranked[:1] - 1e-6, ranked, ranked[-1:] + 1e-6])
        self.threshold.copy_((padded[best] + padded[best + 1]) / 2)
        self.slope.copy_(1 / ranked.std(correction=0).clamp_min(1e-6))

    def answer(self, images: Tensor) -> Tensor:
        """See `Model`."""
        same = self.slope * (self.threshold - self.distance(images))
        return torch.stack([torch.zeros_like(same), same], dim=1).to(torch.float32)
