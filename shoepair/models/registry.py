"""The model table: every model by its name, built from a seed, written and read.

A model takes pair images and gives two logits, whatever it is inside (`base.Model`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

from shoepair.data import documents
from shoepair.models.base import Model
from shoepair.models.cnn import ASSIGNED, CNN, CNNChannel
from shoepair.models.config import EDGE, ModelConfig
from shoepair.models.histogram import Histogram
from shoepair.models.siamese import Siamese
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.files import replacing

__all__ = ["CNN", "EDGE", "CNNChannel", "Model", "ModelConfig"]

Weights = dict[str, Tensor]

FORMAT = 2

MODELS: dict[str, type[Model]] = {
    "histogram": Histogram,
    **ASSIGNED,
    "siamese": Siamese,
}


def check_name(name: str) -> None:
    """Refuse a name that is not in the model table by a `ShoepairError`."""
    if name not in MODELS:
        found = f"models: {name!r} is not a model, expected one of {', '.join(MODELS)}"
        raise ShoepairError(found, fix="correct `models` in params.yaml")


def build(name: str, config: ModelConfig, seed: int) -> Model:
    """The network of this name, its weights drawn from the seed.

    Weights are normal with variance 2 / inputs, biases 0, which keeps the size of the activations from layer to layer
    (He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015). PyTorch's default shrinks them by a factor of 2.4 per
    layer; with it `CNN` does not memorise five students in 50 iterations, with this it does (test_memorise.py).

    Raises:
        ShoepairError: no network has this name.
    """
    check_name(name)
    with torch.random.fork_rng(devices=[]):  # creating layers draws from the global generator; leave it as it was
        model = MODELS[name](**config.model_dump())
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def weights_of(model: nn.Module) -> Weights:
    """A copy of the weights, row by row in memory as safetensors wants them."""
    return {name: value.clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()}


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights; the same weights give the same bytes."""
    with replacing(path) as part:
        part.write_bytes(serialized(weights))  # not save_file: it tells a full disk by an error of its own


def save(name: str, model: Model, facts: Mapping[str, Any]) -> None:
    """Write a trained network where the pipeline keeps it: its weights, and its card.

    Beside the layers the card says what `facts` has, such as the epoch that the weights are from.
    """
    count = sum(parameter.numel() for parameter in model.parameters())
    card = {"format": FORMAT, "model": name, "layers": model.config.model_dump(), "parameters": count, **facts}
    save_weights(paths.weights(name), weights_of(model))
    documents.write_json(paths.card(name), card)


def load(name: str) -> Model:
    """Read a trained network, of the layers that its card tells.

    Raises:
        ShoepairError: card or weights are missing, damaged, or of another format.
    """
    path, fix = paths.card(name), f"delete it and run `dvc repro train@{name}`, which trains it"
    card = documents.read_json(path, fix)
    if card.get("format") != FORMAT or card.get("model") != name:
        found = f"{path}: model {card.get('model')} of format {card.get('format')}, expected {name} of format {FORMAT}"
        raise ShoepairError(found, fix=fix)
    model = build(name, ModelConfig(**card["layers"]), seed=0)
    try:
        model.load_state_dict(load_file(paths.weights(name)))
    except (FileNotFoundError, SafetensorError, RuntimeError):
        found = f"{paths.weights(name)}: missing, or not the weights of this network"
        raise ShoepairError(found, fix=fix) from None
    return model
