"""Base classes and shared layers of all models.

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

HIDDEN_UNITS = 100  # of the first linear layer, as in the assignment
NUM_CLASSES = 2  # logits: different, same


def build_feature_extractor(in_channels: int, config: ModelConfig) -> nn.Sequential:
    """Build four blocks of convolution, 2x2 max pooling and ReLU: (B, C, H, W) to (B, 8n, H // 16, W // 16).

    Pooling before ReLU gives the same result as after it, and leaves a quarter of the work to ReLU and to the batch
    normalisation between them.
    """
    widths = [in_channels, config.n, 2 * config.n, 4 * config.n, 8 * config.n]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        # Batch normalisation cancels any constant: the gradient of a bias would be rounding error alone.
        bias = not config.batch_norm
        layers.append(nn.Conv2d(inputs, outputs, config.kernel_size, padding=config.kernel_size // 2, bias=bias))
        layers += [nn.MaxPool2d(2), *([nn.BatchNorm2d(outputs)] if config.batch_norm else []), nn.ReLU()]
    return nn.Sequential(*layers)


def downsample_images(images: Tensor, edge: int) -> Tensor:
    """Average images down to (B, 3, 2S, S), S the edge the model was built for.

    The input is (B, 3, 2fS, fS); f is 1, 2, ...; where it is 1, the images are returned themselves.

    Raises:
        ShoepairError: the edge of the images is no multiple of S.
    """
    factor, rest = divmod(images.shape[-1], edge)
    if rest or not factor:
        message = f"images of {images.shape[-1]} pixels, expected {edge} or a multiple of it"
        raise ShoepairError(message, fix="scale the photos, or build the model for them: `CNN(edge=...)`")
    return functional.avg_pool2d(images, factor) if factor > 1 else images


def center_crop(photos: Tensor, kept_share: float) -> Tensor:
    """Crop the central square out of photos: (B, 3, S, S) to (B, 3, M, M), M = kept_share x S."""
    edge = photos.shape[-1]
    margin = round(edge * (1 - kept_share) / 2)
    return photos[..., margin : edge - margin, margin : edge - margin]


def left_and_right_of_all_pairs(sides: Tensor) -> tuple[Tensor, Tensor]:
    """Expand every left with every right shoe of a group, without a copy: (G, L, 2, ...) to twice (G, L, L, ...)."""
    shape = (*sides.shape[:2], sides.shape[1], *sides.shape[3:])
    return sides[:, :, None, 0].expand(shape), sides[:, None, :, 1].expand(shape)


def stack_all_pairs_within_groups(shoes: Tensor) -> Tensor:
    """Stack every left shoe of a group above every right shoe: (G, L, 2, S, S, 3) to (G L L, 3, 2S, S)."""
    stacked = torch.cat(left_and_right_of_all_pairs(shoes), dim=3).flatten(0, 2)  # (G L L, 2S, S, 3)
    return stacked.movedim(3, 1)  # a view, channels last in memory: fast for convolutions


def make_tta_views(images: Tensor) -> list[Tensor]:
    """Return the four test-time views of pair images (B, 3, 2S, S): original, mirrored, sides swapped, both."""
    views = [images, images.flip(3)]
    return views + [view.roll(images.shape[3], 2) for view in views]


class Model(nn.Module):
    """Base class of all models: pair images (B, 3, 2S, S) in, logits (B, 2) for different and same out.

    Images are float, byte / 255 - 0.5; their edge is a multiple of `config.edge`. Arguments: see `ModelConfig`.
    """

    trains_on_students: ClassVar[bool] = False  # trained on all nine pairs of a student at once
    is_flip_sensitive: ClassVar[bool] = False  # mirroring a pair or swapping its sides may change its logits
    is_trained_by_gradient: ClassVar[bool] = True  # else it is fitted in one pass
    config_class: ClassVar[type[ModelConfig]] = ModelConfig

    def __init__(self, **config_values: Any) -> None:
        super().__init__()
        config = self.config_class(**config_values)
        needs_one_view = getattr(config, "tta", False) and not self.is_flip_sensitive  # all would be the same
        self.config = config.model_copy(update={"tta": False}) if needs_one_view else config
        self.make_layers()

    def make_layers(self) -> None:
        """Create the layers that `config` describes."""
        raise NotImplementedError

    def count_parameters(self) -> int:
        """Return the number of weights, trained here or before."""
        return sum(weight.numel() for weight in self.parameters())

    def forward_single_view(self, images: Tensor) -> Tensor:
        """Return the logits (B, 2) of one view of each pair image (B, 3, 2S, S), S = `config.edge`."""
        raise NotImplementedError

    def forward(self, x: Tensor, *, tta: bool = True) -> Tensor:
        """Return the logits (B, 2) of pair images (B, 3, 2S, S), averaged over the TTA views by default.

        With `tta` False only one view is used, whatever `config.tta` says: a quarter of the work.
        """
        images = downsample_images(x, self.config.edge)
        if self.training or not (tta and self.config.tta):
            return self.forward_single_view(images)
        logits = [self.forward_single_view(view) for view in make_tta_views(images)]
        return sum(logits[1:], logits[0]) / len(logits)

    def forward_all_pairs(self, shoes: Tensor, *, tta: bool = True) -> Tensor:
        """Return logits of every left with every right shoe of a group: (G, L, 2, S, S, 3) to (G, L, L, 2)."""
        logits: Tensor = self(stack_all_pairs_within_groups(shoes), tta=tta)
        return logits.reshape(shoes.shape[0], shoes.shape[1], shoes.shape[1], NUM_CLASSES)


class ThresholdModel(Model):
    """Base class of models without gradients: a distance of two shoes, compared with a fitted threshold.

    Logits are 0 and slope x (threshold - distance). The slope is 1 / standard deviation of the distances, so that
    logits are of the size of a network's; temperature scaling calibrates them.
    """

    is_trained_by_gradient = False
    threshold: Tensor
    slope: Tensor

    def make_layers(self) -> None:
        """Register the threshold and the slope of the logits as buffers."""
        self.register_buffer("threshold", torch.zeros((), dtype=torch.float64))
        self.register_buffer("slope", torch.ones((), dtype=torch.float64))

    def compute_distances(self, pair_images: Tensor) -> Tensor:
        """Return the distance of the two shoes of each pair image: (B, 3, 2S, S) to (B,) float64."""
        raise NotImplementedError

    def fit_threshold(self, distances: Tensor, same: Tensor, pair_weights: Tensor) -> None:
        """Fit the threshold with the highest weighted accuracy on training pairs.

        Each argument is (P,): distances in float64, labels, weights.
        """
        order = torch.argsort(distances, stable=True)
        ranked = distances[order]
        # Weight of correct pairs if the first k are predicted same, up to a constant.
        gain = torch.where(same == 1, pair_weights, -pair_weights)[order].double()
        correct = torch.cat([gain.new_zeros(1), gain.cumsum(0)])
        border = torch.ones(1, dtype=torch.bool)
        is_cut = torch.cat([border, ranked[1:] > ranked[:-1], border])  # no threshold separates equal distances
        best = int(torch.where(is_cut, correct, -torch.inf).argmax())  # the first of equally good ones
        padded = torch.cat([ranked[:1] - 1e-6, ranked, ranked[-1:] + 1e-6])
        self.threshold.copy_((padded[best] + padded[best + 1]) / 2)
        self.slope.copy_(1 / ranked.std(correction=0).clamp_min(1e-6))

    def forward_single_view(self, images: Tensor) -> Tensor:
        """Convert distances to logits: 0 for different, slope x (threshold - distance) for same."""
        same_logit = self.slope * (self.threshold - self.compute_distances(images))
        return torch.stack([torch.zeros_like(same_logit), same_logit], dim=1).to(torch.float32)
