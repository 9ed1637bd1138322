"""Model registry: builds, saves and loads models by name.

Every model takes pair images and returns two logits (`base.Model`).
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

from shoepair.data import json_files
from shoepair.models.base import Model
from shoepair.models.cnn import CNN, COURSE_MODELS, CNNChannel
from shoepair.models.config import DEFAULT_EDGE, ModelConfig
from shoepair.models.histogram_baseline import HistogramBaseline
from shoepair.models.siamese import Siamese
from shoepair.runtime import paths
from shoepair.runtime.atomic_files import atomic_write
from shoepair.runtime.errors import ShoepairError

__all__ = ["CNN", "DEFAULT_EDGE", "CNNChannel", "Model", "ModelConfig"]

Weights = dict[str, Tensor]

CARD_FORMAT_VERSION = 2

MODEL_CLASSES: dict[str, type[Model]] = {
    "histogram": HistogramBaseline,
    **COURSE_MODELS,
    "siamese": Siamese,
}


def check_model_name(name: str) -> None:
    """Raise a `ShoepairError` if no model has this name."""
    if name not in MODEL_CLASSES:
        message = f"models: {name!r} is not a model, expected one of {', '.join(MODEL_CLASSES)}"
        raise ShoepairError(message, fix="correct `models` in params.yaml")


def build_model(name: str, config: ModelConfig, seed: int) -> Model:
    """Build a model by name with weights initialised from a seed (He initialisation).

    Weights are normal with variance 2 / inputs, biases 0, which keeps the size of the activations from layer to layer
    (He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015). PyTorch's default shrinks them by a factor of 2.4 per
    layer: with it `CNN` does not memorise five students in 50 iterations, with He's it does (test_memorise.py).

    Raises:
        ShoepairError: no model has this name.
    """
    check_model_name(name)
    with torch.random.fork_rng(devices=[]):  # new layers use the global generator; keep its state
        model = MODEL_CLASSES[name](**config.model_dump())
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def copy_weights(model: nn.Module) -> Weights:
    """Return a copy of a model's state dict with contiguous tensors, as safetensors needs them."""
    return {name: value.clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()}


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights to a safetensors file; the same weights give the same bytes."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(serialized(weights))  # not save_file, whose error for a full disk is no OSError


def save_model(name: str, model: Model, card_fields: Mapping[str, Any]) -> None:
    """Write a trained model's weights and its model card to the pipeline's output paths.

    `card_fields` are added to the card, such as the epoch that the weights are from.
    """
    count = sum(parameter.numel() for parameter in model.parameters())
    card = {
        "format": CARD_FORMAT_VERSION,
        "model": name,
        "layers": model.config.model_dump(),
        "parameters": count,
        **card_fields,
    }
    save_weights(paths.weights_path(name), copy_weights(model))
    json_files.write_json(paths.model_card_path(name), card)


def load_model(name: str) -> Model:
    """Load a trained model: config from its model card, weights from its safetensors file.

    Raises:
        ShoepairError: card or weights are missing, damaged, or of another format.
    """
    path, fix = paths.model_card_path(name), f"delete it and run `dvc repro train@{name}`, which trains it"
    card = json_files.read_json(path, fix)
    if card.get("format") != CARD_FORMAT_VERSION or card.get("model") != name:
        expected = f"{name} of format {CARD_FORMAT_VERSION}"
        message = f"{path}: model {card.get('model')} of format {card.get('format')}, expected {expected}"
        raise ShoepairError(message, fix=fix)
    model = build_model(name, ModelConfig(**card["layers"]), seed=0)
    try:
        model.load_state_dict(load_file(paths.weights_path(name)))
    except (FileNotFoundError, SafetensorError, RuntimeError):
        message = f"{paths.weights_path(name)}: missing, or not the weights of this model"
        raise ShoepairError(message, fix=fix) from None
    return model
