"""The device and the config that a model gets for its training."""

from __future__ import annotations

import pytest
import torch
from support import towers

from shoepair.models import devices, registry
from shoepair.models.base import Model
from shoepair.models.cnn import CNN
from shoepair.models.config import ModelConfig
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_inputs import StageInputs
from shoepair.training import job
from shoepair.training.config import AnyTrainConfig, TrainConfig
from shoepair.training.job import build_model_and_config

META = torch.device("meta")  # a device that every machine has


def build_on_meta(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Model, TrainConfig]:
    """Build a model on a machine whose accelerator is `META`; return it and its config."""
    monkeypatch.setattr(devices, "select_device", lambda _name: META)
    return build_model_and_config(
        name, TrainConfig(synthetic_ratio=2.0, network=ModelConfig(n=1, batch_norm=True, edge=16))
    )


@pytest.mark.parametrize("name", ["cnn", "siamese"])
def test_network_is_moved_with_parameters_and_buffers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, config = build_on_meta(name, monkeypatch)
    assert (config.device, config.synthetic_ratio) == (META.type, 2.0)
    assert {tensor.device for tensor in (*model.parameters(), *model.buffers())} == {META}


def test_histogram_baseline_stays_on_the_cpu_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    model, config = build_on_meta("histogram", monkeypatch)
    assert (config.device, config.synthetic_ratio) == ("cpu", 0.0), "its one threshold is that of the class"
    assert {(buffer.device.type, buffer.dtype) for buffer in model.buffers()} == {("cpu", torch.float64)}


def test_model_on_its_device_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CNN(n=1, edge=16)
    before = [weight.data_ptr() for weight in model.parameters()]
    monkeypatch.setattr(registry, "build_model", lambda *_given: model)
    result, config = build_model_and_config("cnn", TrainConfig(device="cpu"))
    assert result is model
    assert config.device == "cpu"
    assert [weight.data_ptr() for weight in model.parameters()] == before


def test_model_on_a_pretrained_network_is_refused_by_the_other_stage() -> None:
    with pytest.raises(ShoepairError, match=r"(?s)models: 'efficientnet_frozen' .*name it in `pretrained\.models`"):
        job.train_save_and_summarize("efficientnet_frozen", TrainConfig(), StageInputs())


def test_settings_of_scratch_models_do_not_reach_the_fine_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    towers.use_tiny_network(monkeypatch)
    one, other = (
        build_model_and_config("efficientnet_finetuned", AnyTrainConfig(lr=lr, epochs=epochs, device="cpu"))[1]
        for lr, epochs in ((1e-3, 20), (1e-2, 80))
    )
    assert one == other
    assert (one.lr, one.epochs, one.synthetic_ratio) == (3e-4, 6, 0.0)
    _, scratch = build_model_and_config("cnn", AnyTrainConfig(device="cpu"))
    assert type(scratch) is TrainConfig, "parameters of fine-tuning are in no key of a model from scratch"
