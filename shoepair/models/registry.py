"""Model registry: builds, saves and loads models by name.

Every model takes pair images and returns two logits (`base.Model`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load as deserialized
from safetensors.torch import save as serialized
from torch import Tensor, nn

from shoepair.models import pretrained_weights
from shoepair.models.base import Model
from shoepair.models.cnn import CNN, COURSE_MODELS, CNNChannel
from shoepair.models.config import DEFAULT_EDGE, ModelConfig, PretrainedConfig
from shoepair.models.histogram_baseline import HistogramBaseline
from shoepair.models.pretrained import EfficientNetFinetuned, EfficientNetFrozen, PretrainedModel
from shoepair.models.siamese import Siamese
from shoepair.runtime import input_files, json_files, params, paths
from shoepair.runtime.atomic_files import atomic_write
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.params import StrictModel

__all__ = ["CNN", "DEFAULT_EDGE", "CNNChannel", "Model", "ModelConfig"]

Weights = dict[str, Tensor]

CARD_FORMAT_VERSION = 2
MAX_HEADER_BYTES = 2**20  # of a weights file, beside the numbers

MODEL_CLASSES: dict[str, type[Model]] = {
    "histogram": HistogramBaseline,
    **COURSE_MODELS,
    "siamese": Siamese,
    "efficientnet_frozen": EfficientNetFrozen,
    "efficientnet_finetuned": EfficientNetFinetuned,
}


def check_model_name(name: str) -> None:
    """Raise a `ShoepairError` if no model has this name."""
    if name not in MODEL_CLASSES:
        message = f"models: {name!r} is not a model, expected one of {', '.join(MODEL_CLASSES)}"
        raise ShoepairError(message, fix="correct `models` in params.yaml")


def is_pretrained(name: str) -> bool:
    """Whether a model of this name compares the maps of a pretrained network."""
    return issubclass(MODEL_CLASSES.get(name, Model), PretrainedModel)


def training_stage(name: str) -> str:
    """Return the stage that trains a model, as `dvc repro` takes it."""
    return f"{'train_pretrained' if is_pretrained(name) else 'train'}@{name}"


def build_pretrained_model(name: str, config: PretrainedConfig) -> PretrainedModel:
    """Build a model on the pretrained network that the parameters name; its comparison is not trained yet.

    Raises:
        ShoepairError: there is no such model; or the weights are missing, of another digest, or of another network.
    """
    check_model_name(name)
    model_class = MODEL_CLASSES[name]
    if not issubclass(model_class, PretrainedModel):
        message = f"pretrained.models: {name!r} uses no pretrained network"
        raise ShoepairError(message, fix="name it in `models` in params.yaml instead")
    weights = pretrained_weights.read_weights(config)
    sizes = pretrained_weights.read_sizes(model_class.backbone_class, weights, config.weights)
    layers = {
        "weights": config.weights,
        "sha256": config.sha256,
        "edge": model_class.backbone_class.edge,
        "backbone": sizes,
    }
    with torch.random.fork_rng(devices=[]):
        model = model_class(**layers)
    pretrained_weights.load_into(model.backbone, weights, config.weights)
    nn.init.zeros_(model.comparison.weight)
    nn.init.zeros_(model.comparison.bias)
    return model


def build_model(
    name: str,
    config: ModelConfig,
    seed: int,
    pretrained: PretrainedConfig | None = None,
) -> Model:
    """Build a model by name with weights initialised from a seed (He initialisation), or with pretrained ones.

    Weights are normal with variance 2 / inputs, biases 0, which keeps the size of the activations from layer to layer
    (He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015). PyTorch's default shrinks them by a factor of 2.4 per
    layer: with it `CNN` does not memorise five students in 50 iterations, with He's it does (test_memorise.py).

    Raises:
        ShoepairError: no model has this name.
    """
    if is_pretrained(name):
        return build_pretrained_model(name, pretrained or PretrainedConfig())
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
    count = model.count_parameters()
    card = {
        "format": CARD_FORMAT_VERSION,
        "model": name,
        "layers": model.config.model_dump(),
        "parameters": count,
        **card_fields,
    }
    save_weights(paths.weights_path(name), copy_weights(model))
    json_files.write_json(paths.model_card_path(name), card)


class ModelCard(StrictModel):
    """A model card: what `load_model` needs to know; further keys describe the training."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    format: int
    model: str
    layers: dict[str, Any]  # of `ModelConfig`


def load_model(name: str) -> Model:
    """Load a trained model: config from its model card, weights from its safetensors file.

    Raises:
        ShoepairError: card or weights are missing, damaged, of another format, or do not fit each other.
    """
    check_model_name(name)
    path, fix = paths.model_card_path(name), f"delete it and run `dvc repro {training_stage(name)}`, which trains it"
    card = json_files.read_json(path, fix, ModelCard)
    if card["format"] != CARD_FORMAT_VERSION or card["model"] != name:
        expected = f"{name} of format {CARD_FORMAT_VERSION}"
        message = f"{path}: model {card['model']} of format {card['format']}, expected {expected}"
        raise ShoepairError(message, fix=fix)
    if problems := params.validation_errors(MODEL_CLASSES[name].config_class, card["layers"]):
        message = f"{path}: not the layers of a model"
        raise ShoepairError(message, problems=problems, fix=fix)
    try:
        with torch.device("meta"):  # takes no memory, whatever the card asks for
            model = MODEL_CLASSES[name](**card["layers"])
    except RuntimeError:  # more numbers than 64 bits can count
        message = f"{path}: layers that no memory can hold"
        raise ShoepairError(message, fix=fix) from None
    model.load_state_dict(_read_weights(paths.weights_path(name), model.state_dict(), fix), assign=True)
    return model


def _read_weights(path: Path, expected: Mapping[str, Tensor], fix: str) -> Weights:
    """Read the weights of a model; `expected` has their names, shapes and types.

    Raises:
        ShoepairError: the file is missing or damaged, has other weights, or one that is not a finite number.
    """
    length = sum(tensor.nbytes for tensor in expected.values()) + MAX_HEADER_BYTES
    try:
        weights = deserialized(input_files.read_bytes(path, length, fix))
    except (SafetensorError, ValueError, KeyError):  # KeyError: a type that torch does not have
        message = f"{path}: not a safetensors file"
        raise ShoepairError(message, fix=fix) from None
    problems = [
        f"{name}: {_describe(weights.get(name))}, expected {_describe(expected.get(name))}"
        for name in sorted(weights.keys() | expected.keys())
        if _describe(weights.get(name)) != _describe(expected.get(name))
    ]
    if problems:
        message = f"{path}: not the weights of this model"
        raise ShoepairError(message, problems=problems, fix=fix)
    if wrong := [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]:
        message = f"{path}: weights that are not finite numbers"
        raise ShoepairError(message, problems=wrong, fix=fix)
    return weights


def _describe(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
