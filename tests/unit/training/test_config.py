"""The limits of the training parameters, and their defaults in a notebook."""

from __future__ import annotations

from typing import Any

import pytest
from support.sections import Good, assert_kept, assert_refused

from shoepair.models.config import ModelConfig
from shoepair.runtime import params
from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import AugmentationConfig, TrainConfig

GOOD: Good = {
    TrainConfig: {
        "epochs": 1,
        "batch_size": 2,
        "lr": 1.0,
        "weight_decay": 0.0,
        "ema_decay": 0.99,
        "synthetic_ratio": 2.5,
    },
    AugmentationConfig: {"mirror_swap": True, "color_jitter": 4.0, "affine": 0.0, "swap_sides": False},
}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (TrainConfig, "epochs", 0),
        (TrainConfig, "batch_size", 3),
        (TrainConfig, "lr", 0.0),
        (TrainConfig, "lr", float("nan")),
        (TrainConfig, "weight_decay", -0.1),
        (TrainConfig, "ema_decay", 1.0),
        (TrainConfig, "optimizer", "sgd"),
        (TrainConfig, "synthetic_ratio", float("inf")),
        (TrainConfig, "lr_schedule", "linear"),
        (TrainConfig, "precision", "float16"),
        (AugmentationConfig, "color_jitter", 4.1),
        (AugmentationConfig, "affine", -1.0),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    assert_refused(GOOD, section, name, value)


def test_value_within_its_range_is_kept() -> None:
    assert_kept(GOOD)


def test_every_parameter_of_training_is_read_from_its_key() -> None:
    assert set(params.section_keys(TrainConfig)) >= {
        "lr",
        "batch_size",
        "epochs",
        "n",
        "train.tta",
        "train.color_jitter",
    }
    assert len(params.section_keys(TrainConfig)) == len(set(params.section_keys(TrainConfig)))


def test_nested_sections_can_be_given() -> None:
    config = TrainConfig(network=ModelConfig(n=8), augmentation=AugmentationConfig(mirror_swap=True))
    assert (config.network.n, config.augmentation.mirror_swap) == (8, True)
    with pytest.raises(ShoepairError, match="nonsense"):
        TrainConfig(nonsense=1)  # type: ignore[call-arg]  # what is tested
