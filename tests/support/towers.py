"""A tiny pretrained network with random weights: the layers of EfficientNet-Lite, narrow, for photos of 32 pixels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from shoepair.models import pretrained_weights
from shoepair.models.config import BackboneConfig, PretrainedConfig
from shoepair.models.efficientnet import EfficientNetLite

EDGE = 32
SIZES = BackboneConfig(stem=4, widths=(2, 3, 4, 5, 6, 8, 9), counts=(1, 1, 2, 1, 1, 2, 1), head=12)


def make_tiny_weights() -> dict[str, torch.Tensor]:
    """Return random weights, with which maps neither vanish nor saturate, and the classes that nobody uses."""
    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng(devices=[]):
        weights = EfficientNetLite(SIZES).state_dict()
    for name, value in weights.items():
        if value.dim() == 4:
            deviation = (2 / value[0].numel()) ** 0.5
            weights[name] = torch.randn(value.shape, generator=generator) * deviation
    return weights | {"_fc.weight": torch.zeros(5, SIZES.head), "_fc.bias": torch.zeros(5)}


def write_tiny_weights(path: Path) -> PretrainedConfig:
    """Write the weights as their authors would; return the parameters that name them."""
    torch.save(make_tiny_weights(), path)
    return PretrainedConfig(weights=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest(), epochs=2)


def use_tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model on a pretrained network have the tiny one in this test, whatever its parameters name."""
    monkeypatch.setattr(EfficientNetLite, "edge", EDGE)
    weights = {name: value for name, value in make_tiny_weights().items() if not name.startswith("_fc.")}
    monkeypatch.setattr(pretrained_weights, "read_weights", lambda _config: weights)
