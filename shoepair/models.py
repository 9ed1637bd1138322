"""The networks: same pair or not, from the two shoes of a pair image.

A pair image is (3, 2S, S), the left shoe above the right one, S = 224 in the pipeline. Both networks have the four
convolutions and two linear layers of the assignment (University of Toronto, CSC413, "same or different shoes") and
differ in one thing: `CNN` looks at the stacked image as it is, so the two shoes first meet in the linear layer;
`CNNChannel` lays the right shoe behind the left one as three more channels, so that every convolution compares them.

Letters: B pairs, S edge of a shoe image, K kernel size, n channels after the first convolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

from shoepair import paths
from shoepair.errors import ShoepairError
from shoepair.paths import replacing

Weights = dict[str, Tensor]

FORMAT = 1
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
    """

    n: int = 4
    kernel_size: int = 3
    batch_norm: bool = False
    dropout: float = 0.0
    edge: int = EDGE

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


def _features(inputs: int, shape: Shape) -> nn.Sequential:
    """Four times convolution, ReLU, 2x2 max pooling: (B, inputs, H, W) to (B, 8n, H/16, W/16)."""
    widths = [inputs, shape.n, 2 * shape.n, 4 * shape.n, 8 * shape.n]

    def layers() -> Iterator[nn.Module]:
        for before, after in pairwise(widths):
            yield nn.Conv2d(before, after, shape.kernel_size, padding=(shape.kernel_size - 1) // 2)
            if shape.batch_norm:
                yield nn.BatchNorm2d(after)
            yield nn.ReLU()
            yield nn.MaxPool2d(2)

    return nn.Sequential(*layers())


def _classifier(inputs: int, dropout: float) -> nn.Sequential:
    """Flattened features to two logits by way of 100 hidden units: (B, inputs) to (B, 2)."""
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*drop, nn.Linear(inputs, HIDDEN), nn.ReLU(), *drop, nn.Linear(HIDDEN, CLASSES))


class Network(nn.Module):
    """What both networks share.

    Input (B, 3, 2S, S) float, value = byte / 255 - 0.5; output (B, 2) logits: different, same. Arguments: see `Shape`.
    """

    channels: ClassVar[int]  # of the image that the first convolution sees
    stacked: ClassVar[int]  # shoes that this image holds one above the other

    def __init__(
        self, n: int = 4, kernel_size: int = 3, *, batch_norm: bool = False, dropout: float = 0.0, edge: int = EDGE
    ) -> None:
        super().__init__()
        self.shape = Shape(n, kernel_size, batch_norm, dropout, edge)
        self.features = _features(self.channels, self.shape)
        self.classifier = _classifier(8 * n * self.stacked * (edge // 16) ** 2, dropout)

    def arrange(self, x: Tensor) -> Tensor:
        """The image that the first convolution sees, made of the pair image."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each pair image: (B, 3, 2S, S) to (B, 2)."""
        maps = self.features(self.arrange(x))  # (B, 8n, stacked * S/16, S/16)
        logits: Tensor = self.classifier(maps.flatten(1))  # (B, 2)
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
        edge = self.shape.edge
        return torch.cat([x[:, :, :edge], x[:, :, edge:]], dim=1)


MODELS: dict[str, type[Network]] = {"cnn": CNN, "cnn_channel": CNNChannel}


def build(name: str, shape: Shape, seed: int) -> Network:
    """The network of this name, its weights drawn from the seed.

    Weights are normal with variance 2 / inputs, biases 0, which keeps the size of the activations from layer to layer
    (He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015). PyTorch's default shrinks them by a factor of 2.4 per
    layer; with it `CNN` does not memorise five students in 50 iterations, with this it does (tests/test_memorise.py).

    Raises:
        ShoepairError: no network has this name.
    """
    if name not in MODELS:
        found = f"models: {name!r} is not a model, expected one of {', '.join(MODELS)}"
        raise ShoepairError(found, fix="correct `models` in params.yaml")
    with torch.random.fork_rng(devices=[]):  # creating layers draws from the global generator; leave it as it was
        model = MODELS[name](**asdict(shape))
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # every layer here has one
    return model


def weights_of(model: nn.Module) -> Weights:
    """A copy of the weights, row by row in memory as safetensors wants them."""
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()
    }


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights; the same weights give the same bytes."""
    with replacing(path) as part:
        part.write_bytes(serialized(weights))  # not save_file: it tells a full disk by an error of its own


def save(name: str, model: Network, facts: Mapping[str, Any]) -> None:
    """Write a trained network where the pipeline keeps it: its weights, and its card.

    Args:
        name: as in `MODELS`.
        model: the network.
        facts: what the card says beside the layers, such as the epoch that the weights are from.
    """
    count = sum(parameter.numel() for parameter in model.parameters())
    card = {"format": FORMAT, "model": name, "layers": asdict(model.shape), "parameters": count, **facts}
    save_weights(paths.weights(name), weights_of(model))
    paths.write_json(paths.card(name), card)


def load(name: str) -> Network:
    """Read a trained network, of the layers that its card tells.

    Raises:
        ShoepairError: card or weights are missing, damaged, or of another format.
    """
    path, fix = paths.card(name), f"delete it and run `dvc repro train@{name}`, which trains it"
    card = paths.read_json(path, fix)
    if card.get("format") != FORMAT or card.get("model") != name:
        found = f"{path}: model {card.get('model')} of format {card.get('format')}, expected {name} of format {FORMAT}"
        raise ShoepairError(found, fix=fix)
    model = build(name, Shape(**card["layers"]), seed=0)
    try:
        model.load_state_dict(load_file(paths.weights(name)))
    except (FileNotFoundError, SafetensorError, RuntimeError):
        found = f"{paths.weights(name)}: missing, or not the weights of this network"
        raise ShoepairError(found, fix=fix) from None
    return model
