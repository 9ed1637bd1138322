"""The two networks of the assignment: `CNN` and `CNNChannel`.

Both have the four convolutions and two linear layers of the assignment (University of Toronto, CSC413, "same or
different shoes"). They differ in one thing: `CNN` looks at the stacked image as it is, so the two shoes first meet in
the linear layer; `CNNChannel` lays the right shoe behind the left one as three more channels, so that every
convolution compares them.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from shoepair.models.base import CLASSES, HIDDEN, Model, features


class Network(Model):
    """What the two networks of the assignment share."""

    views_differ = True
    channels: ClassVar[int]  # of the image that the first convolution sees
    stacked: ClassVar[int]  # shoes that this image holds one above the other

    def make_layers(self) -> None:
        """Four convolutions and two linear layers."""
        config = self.config
        self.features = features(self.channels, config)
        inputs = 8 * config.n * self.stacked * (config.edge // 16) ** 2
        drop = [nn.Dropout(config.dropout)] if config.dropout else []
        self.classifier = nn.Sequential(*drop, nn.Linear(inputs, HIDDEN), nn.ReLU(), *drop, nn.Linear(HIDDEN, CLASSES))

    def arrange(self, x: Tensor) -> Tensor:
        """The image that the first convolution sees, made of the pair image."""
        raise NotImplementedError

    def answer(self, images: Tensor) -> Tensor:
        """See `Model`."""
        maps = self.features(self.arrange(images))  # (B, 8n, stacked * S/16, S/16)
        logits: Tensor = self.classifier(maps.flatten(1))
        return logits


class CNN(Network):
    """Convolutions over the two shoes stacked, left above right."""

    channels = 3
    stacked = 2

    def arrange(self, x: Tensor) -> Tensor:
        """The pair image as it is: (B, 3, 2S, S)."""
        return x


class CNNChannel(Network):
    """Convolutions over six channels: red, green, blue of the left shoe, then of the right shoe."""

    channels = 6
    stacked = 1

    def arrange(self, x: Tensor) -> Tensor:
        """The shoes one behind the other: (B, 3, 2S, S) to (B, 6, S, S).

        Slices, not a reshape: reshaped to six channels, the upper and the lower half of the left shoe's red plane
        would become channels 0 and 1, and so on.
        """
        edge = self.config.edge
        return torch.cat([x[:, :, :edge], x[:, :, edge:]], dim=1)


ASSIGNED: dict[str, type[Network]] = {"cnn": CNN, "cnn_channel": CNNChannel}
