"""Which device a model is built on for its training."""

from __future__ import annotations

import pytest
import torch

from shoepair.models import devices, registry
from shoepair.models.base import Model
from shoepair.models.cnn import CNN
from shoepair.models.config import ModelConfig
from shoepair.training.config import TrainConfig
from shoepair.training.job import build_model

META = torch.device("meta")  # a device that every machine has


def built(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Model, TrainConfig]:
    """A model on a machine whose accelerator is `META`, and its config."""
    monkeypatch.setattr(devices, "chosen", lambda _name: META)
    return build_model(name, TrainConfig(synthetic=2.0, network=ModelConfig(n=1, batch_norm=True, edge=16)))


@pytest.mark.parametrize("name", ["cnn", "siamese"])
def test_network_goes_where_it_is_sent_with_all_that_it_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, config = built(name, monkeypatch)
    assert (config.device, config.synthetic) == (META.type, 2.0)
    assert {each.device for each in (*model.parameters(), *model.buffers())} == {META}


def test_what_counts_colours_stays_on_the_processor_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    model, config = built("histogram", monkeypatch)
    assert (config.device, config.synthetic) == ("cpu", 0.0), "its one threshold is that of the class"
    assert {(each.device.type, each.dtype) for each in model.buffers()} == {("cpu", torch.float64)}


def test_model_that_is_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CNN(n=1, edge=16)
    before = [each.data_ptr() for each in model.parameters()]
    monkeypatch.setattr(registry, "build", lambda *_given: model)
    found, config = build_model("cnn", TrainConfig(device="cpu"))
    assert found is model
    assert config.device == "cpu"
    assert [each.data_ptr() for each in model.parameters()] == before
