"""The two course CNNs: `CNN` and `CNNChannel`.

Both have the four convolutions and two linear layers of the assignment (University of Toronto, CSC413, "same or
different shoes"). They differ in the input: `CNN` sees the stacked image, so the two shoes first meet in the linear
layer; `CNNChannel` sees the right shoe as three more channels behind the left one, so that every convolution compares
them.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from shoepair.models.base import HIDDEN_UNITS, NUM_CLASSES, Model, build_feature_extractor


class PairCNN(Model):
    """Base class of the two course CNNs: four convolutions and two linear layers."""

    is_flip_sensitive = True
    in_channels: ClassVar[int]  # of the first convolution's input
    stacked_shoe_count: ClassVar[int]  # shoes above each other in this input

    def make_layers(self) -> None:
        """Create the four convolutions and the two linear layers."""
        config = self.config
        self.features = build_feature_extractor(self.in_channels, config)
        inputs = 8 * config.n * (self.stacked_shoe_count * config.edge // 16) * (config.edge // 16)
        drop = [nn.Dropout(config.dropout)] if config.dropout else []
        self.classifier = nn.Sequential(
            *drop, nn.Linear(inputs, HIDDEN_UNITS), nn.ReLU(), *drop, nn.Linear(HIDDEN_UNITS, NUM_CLASSES)
        )

    def make_conv_input(self, pair_images: Tensor) -> Tensor:
        """Convert pair images (B, 3, 2S, S) to the input of the first convolution."""
        raise NotImplementedError

    def forward_single_view(self, images: Tensor) -> Tensor:
        """Return the logits (B, 2) of one view of each pair image."""
        maps = self.features(self.make_conv_input(images))  # (B, 8n, stacked * S/16, S/16)
        logits: Tensor = self.classifier(maps.flatten(1))
        return logits


class CNN(PairCNN):
    """CNN on the two shoes stacked vertically, left above right."""

    in_channels = 3
    stacked_shoe_count = 2

    def make_conv_input(self, pair_images: Tensor) -> Tensor:
        """Return the pair images unchanged: (B, 3, 2S, S)."""
        return pair_images


class CNNChannel(PairCNN):
    """CNN on six channels: red, green, blue of the left shoe, then of the right shoe."""

    in_channels = 6
    stacked_shoe_count = 1

    def make_conv_input(self, pair_images: Tensor) -> Tensor:
        """Move the right shoe into channels 4-6: (B, 3, 2S, S) to (B, 6, S, S).

        Slices, not a reshape: that would make the two halves of the left shoe's red plane channels 0 and 1, and so on.
        """
        edge = self.config.edge
        return torch.cat([pair_images[:, :, :edge], pair_images[:, :, edge:]], dim=1)


COURSE_MODELS: dict[str, type[PairCNN]] = {"cnn": CNN, "cnn_channel": CNNChannel}
