"""Training and accuracies on plain arrays, with a model that is not in the registry."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig
from shoepair.training.notebook import get_accuracy, train_model

EDGE = 16


def class_of(students: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (students, 3, 2, EDGE, EDGE, 3), np.uint8)


class MeanColors(nn.Module):
    """A linear layer on the mean colours of both shoes."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.layer = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(torch.cat([half.mean((2, 3)) for half in x.chunk(2, dim=2)], dim=1))
        return logits


@pytest.mark.parametrize("as_text", [True, False])
def test_any_module_is_trained_and_its_weights_are_saved_every_epoch(tmp_path: Path, as_text: bool) -> None:
    folder = tmp_path / "weights"
    model, train, valid = MeanColors(), class_of(3), class_of(2, 2)
    config = TrainConfig(epochs=3, batch_size=6, lr=0.5)
    history = train_model(model, train, valid, config=config, checkpoint_path=str(folder) if as_text else folder)
    assert len(history.epochs) == 3
    assert len(history.losses) == 9, "18 pairs, 6 in a batch"
    assert sorted(path.name for path in folder.iterdir()) == [f"epoch-00{number}.safetensors" for number in (1, 2, 3)]
    for metrics in history.epochs:
        model.load_state_dict(load_file(folder / f"epoch-{metrics.epoch:03}.safetensors"))
        assert get_accuracy(model, valid) == (metrics.valid_positive, metrics.valid_negative)


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train_model(MeanColors(), class_of(1), class_of(1), config=TrainConfig(epochs=1, batch_size=2))
    assert list(tmp_path.iterdir()) == []


def test_config_has_defaults() -> None:
    one, other = MeanColors(), MeanColors()
    history = train_model(one, class_of(1), class_of(1, 2))
    assert len(history.epochs) == 20
    assert train_model(other, class_of(1), class_of(1, 2), config=TrainConfig()) == history
    assert torch.equal(one.layer.weight, other.layer.weight)


def test_accuracy_of_an_empty_class_is_nan() -> None:
    assert all(math.isnan(share) for share in get_accuracy(MeanColors(), class_of(0)))


def test_bytes_and_floats_of_any_precision_have_the_same_accuracy() -> None:
    photos = class_of(4)
    expected = get_accuracy(MeanColors(), photos, 5)
    for dtype in (np.float32, np.float64):
        floats: Any = (photos / 255 - 0.5).astype(dtype)
        assert get_accuracy(MeanColors(), floats) == expected
        assert floats.dtype == dtype


class Viewing(nn.Module):
    """A network as students write it: batch norm, dropout, `.view`; it keeps its features, which cannot be copied."""

    def __init__(self, *, lazy: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 4, stride=4)
        self.norm = nn.BatchNorm2d(4)
        self.norm1 = nn.BatchNorm1d(4 * 8 * 4)
        self.drop = nn.Dropout()
        self.out = nn.LazyLinear(2) if lazy else nn.Linear(4 * 8 * 4, 2)

    def forward(self, x: Tensor) -> Tensor:
        for parameter in self.parameters():
            parameter.data = parameter.data.to(x.device)
        self.features = self.norm(self.conv(x)).relu()
        logits: Tensor = self.out(self.drop(self.norm1(self.features.view(-1, 4 * 8 * 4))))
        return logits


@pytest.mark.parametrize("data", [class_of(3), torch.from_numpy(class_of(3) / 255), list(class_of(3))])
@pytest.mark.parametrize("lazy", [True, False])
def test_network_of_a_student_is_trained_measured_and_trained_on(data: Any, lazy: bool) -> None:
    model = Viewing(lazy=lazy)
    for _ in range(2):
        history = train_model(model, data, data[:1], config=TrainConfig(epochs=1, batch_size=2))
        assert len(history.losses) == 9
    model.train()
    get_accuracy(model, data, batch_size=1)
    assert model.training
    images = torch.rand(2, 3, 32, 16)
    model(images).sum().backward()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_network_of_another_type_is_trained(dtype: torch.dtype) -> None:
    model = Viewing().to(dtype)
    train_model(model, class_of(1), class_of(1), config=TrainConfig(epochs=1))
    assert model.out.weight.dtype == dtype


def test_empty_class_is_refused_for_training() -> None:
    for train, valid, name in ((0, 1, "train_data"), (1, 0, "valid_data")):
        with pytest.raises(ShoepairError, match=f"^{name}: no students, expected at least one\n"):
            train_model(MeanColors(), class_of(train), class_of(valid))
    config = TrainConfig(epochs=1, keep_epoch="last")
    assert len(train_model(MeanColors(), class_of(1), class_of(0), config=config).epochs) == 1


def test_mistakes_are_refused_by_the_name_of_the_argument() -> None:
    with pytest.raises(ShoepairError, match=r"^valid_data: ndarray with shape"):
        train_model(MeanColors(), class_of(1), class_of(1)[0])
    with pytest.raises(ShoepairError, match=r"^batch_size: 0, expected 1 or more"):
        get_accuracy(MeanColors(), class_of(1), 0)
    with pytest.raises(ShoepairError, match=r"^model: the class MeanColors, expected an instance"):
        get_accuracy(MeanColors, class_of(1))  # type: ignore[arg-type]
