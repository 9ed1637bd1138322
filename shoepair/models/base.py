"""What every model has in common.

A pair image is (3, 2S, S), the left shoe above the right one.

Letters: B pairs, S edge of a shoe image, G groups of L left and L right shoes, n channels after the first convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from shoepair.runtime.errors import ShoepairError

EDGE = 224
HIDDEN = 100  # units of the first linear layer, as the assignment sets it
CLASSES = 2  # logits: different, same
KERNEL_SIZES = (3, 5)


@dataclass(frozen=True)
class Shape:
    """What a network's layers are built from; written beside its weights, so that they can be read again.

    Args:
        n: channels after the first convolution; 2n, 4n and 8n after the others.
        kernel_size: edge K of every kernel, 3 or 5; padding (K - 1) / 2 keeps the image size.
        batch_norm: normalise after every convolution.
        dropout: share of the flattened features and of the hidden units set to 0 while training, 0 to below 1.
        edge: S, of one shoe image in pixels; a multiple of 16, since it is halved four times.
        tta: whether a model that answers otherwise to a pair mirrored or exchanged answers with the mean of its four
            `views`, while not training (test-time augmentation); False for any other model.
    """

    n: int = 4
    kernel_size: int = 3
    batch_norm: bool = False
    dropout: float = 0.0
    edge: int = EDGE
    tta: bool = False

    def __post_init__(self) -> None:
        if self.n < 1:
            found = f"n: {self.n}, expected 1 or more channels after the first convolution"
            raise ShoepairError(found, fix="set `n` to 1 or more")
        if self.kernel_size not in KERNEL_SIZES:
            found = f"kernel_size: {self.kernel_size}, expected 3 or 5 (an odd kernel keeps the image size)"
            raise ShoepairError(found, fix="set `kernel_size` to 3 or 5")
        if not 0 <= self.dropout < 1:
            found = f"dropout: {self.dropout}, expected 0 to below 1"
            raise ShoepairError(found, fix="set `dropout` to 0 for none")
        if self.edge < 16 or self.edge % 16:
            found = f"edge: {self.edge}, expected a multiple of 16 (it is halved four times)"
            raise ShoepairError(found, fix="set `normalize.edge` to 224")


def features(inputs: int, shape: Shape) -> nn.Sequential:
    """Four times convolution, 2x2 max pooling, ReLU: (B, inputs, H, W) to (B, 8n, H/16, W/16).

    Pooling comes before ReLU: the larger of two numbers, cut off at 0, is the same in either order, and ReLU, and
    batch normalisation between them, have a quarter of the work.
    """
    widths = [inputs, shape.n, 2 * shape.n, 4 * shape.n, 8 * shape.n]

    def layers() -> Iterator[nn.Module]:
        for before, after in pairwise(widths):
            # Batch normalisation takes every constant away again: the gradient of a bias would be rounding alone.
            bias = not shape.batch_norm
            yield nn.Conv2d(before, after, shape.kernel_size, padding=(shape.kernel_size - 1) // 2, bias=bias)
            yield nn.MaxPool2d(2)
            if shape.batch_norm:
                yield nn.BatchNorm2d(after)
            yield nn.ReLU()

    return nn.Sequential(*layers())


def reduced(images: Tensor, edge: int) -> Tensor:
    """Pair images of a multiple of the edge that a model was built for, averaged down to it.

    Args:
        images: (B, 3, 2fS, fS), f = 1, 2, ...
        edge: S.

    Returns:
        (B, 3, 2S, S); the images themselves where f is 1.

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


def joined(shoes: Tensor) -> Tensor:
    """Pair images of every left with every right shoe of a group.

    Args:
        shoes: (G, L, 2, S, S, 3): groups of L left and L right shoes.

    Returns:
        (G L L, 3, 2S, S), channels last in memory: group, left, right.
    """
    groups, each, _, edge = shoes.shape[:4]
    shape = (groups, each, each, edge, edge, 3)
    left, right = shoes[:, :, None, 0].expand(shape), shoes[:, None, :, 1].expand(shape)
    stacked = torch.cat([left, right], dim=3).flatten(0, 2)  # (G L L, 2S, S, 3)
    return stacked.movedim(3, 1)  # costs nothing, and convolutions are fast in this layout


def views(images: Tensor) -> list[Tensor]:
    """A pair as it is, mirrored, with its shoes exchanged, and both: (B, 3, 2S, S) to four of these, labels alike."""
    both_ways = [images, images.flip(3)]
    return both_ways + [each.roll(images.shape[3], 2) for each in both_ways]


class Model(nn.Module):
    """What every model is to the rest of the project.

    Input (B, 3, 2S, S) float, value = byte / 255 - 0.5, S a multiple of `shape.edge`; output (B, 2) logits:
    different, same. Arguments: see `Shape`.
    """

    whole_students: ClassVar[bool] = False  # trained on all combinations of a student's shoes at once
    views_differ: ClassVar[bool] = False  # whether a pair mirrored or exchanged may get another answer

    def __init__(
        self,
        n: int = 4,
        kernel_size: int = 3,
        *,
        batch_norm: bool = False,
        dropout: float = 0.0,
        edge: int = EDGE,
        tta: bool = False,
    ) -> None:
        super().__init__()
        self.shape = Shape(n, kernel_size, batch_norm, dropout, edge, tta and self.views_differ)
        self.make_layers()

    def make_layers(self) -> None:
        """Create the layers that `shape` asks for."""
        raise NotImplementedError

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
        """Set the threshold that is right most often, same and different pairs weighing as given.

        Args:
            distances: (P,) float64, of the training pairs.
            same: (P,) labels.
            weights: (P,), how much each pair counts.
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

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each pair image: (B, 3, 2S, S) to (B, 2)."""
        same = self.slope * (self.threshold - self.distance(x))
        return torch.stack([torch.zeros_like(same), same], dim=1).to(torch.float32)
