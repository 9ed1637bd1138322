"""The limits of the parameters of a training, and its defaults in a notebook."""

from __future__ import annotations

from typing import Any

import pytest
from support.sections import Good, assert_kept, assert_refused

from shoepair.models.config import ModelConfig
from shoepair.runtime import params
from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import Augmentation, TrainConfig

GOOD: Good = {
    TrainConfig: {"epochs": 1, "batch_size": 2, "lr": 1.0, "weight_decay": 0.0, "average": 0.99, "synthetic": 2.5},
    Augmentation: {"mirror": True, "colour": 4.0, "affine": 0.0, "exchange": False},
}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (TrainConfig, "epochs", 0),
        (TrainConfig, "batch_size", 3),
        (TrainConfig, "lr", 0.0),
        (TrainConfig, "lr", float("nan")),
        (TrainConfig, "weight_decay", -0.1),
        (TrainConfig, "average", 1.0),
        (TrainConfig, "synthetic", float("inf")),
        (TrainConfig, "schedule", "linear"),
        (TrainConfig, "precision", "float16"),
        (Augmentation, "colour", 4.1),
        (Augmentation, "affine", -1.0),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    assert_refused(GOOD, section, name, value)


def test_value_within_its_range_is_kept() -> None:
    assert_kept(GOOD)


def test_every_parameter_of_training_is_read_from_its_key() -> None:
    assert set(params.keys(TrainConfig)) >= {"lr", "batch_size", "epochs", "n", "train.tta", "train.colour"}
    assert len(params.keys(TrainConfig)) == len(set(params.keys(TrainConfig)))


def test_parts_are_configurations_of_their_own() -> None:
    config = TrainConfig(network=ModelConfig(n=8), augmentation=Augmentation(mirror=True))
    assert (config.network.n, config.augmentation.mirror) == (8, True)
    with pytest.raises(ShoepairError, match="nonsense"):
        TrainConfig(nonsense=1)  # type: ignore[call-arg]  # what is tried
