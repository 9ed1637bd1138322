"""The logistic regression of a comparison, against scikit-learn's, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from support import towers

from shoepair.data.pair_dataset import InMemoryPairs, make_standard_pair_dataset
from shoepair.models import registry
from shoepair.models.config import PretrainedConfig
from shoepair.models.inference import predict_logits
from shoepair.training import comparison_fit, loop, sharding
from shoepair.training.config import TrainConfig, fine_tuning_config
from shoepair.training.history import EpochMetrics

FRESH = PretrainedConfig(epochs=2)
CONFIG = fine_tuning_config(TrainConfig(device="cpu"), FRESH)


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    towers.use_tiny_network(monkeypatch)


def features(name: str, students: int = 5) -> InMemoryPairs:
    """Return features of students whose pairs have a colour each."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 200, (students, 3, 1, 1, 1, 3))
    edge = towers.EDGE
    photos = (colours + rng.integers(0, 50, (students, 3, 2, edge, edge, 3))).astype(np.uint8)
    pairs = make_standard_pair_dataset(photos)
    model = registry.build_pretrained_model(name, FRESH).eval()
    shoes = torch.from_numpy(photos).flatten(0, 2).movedim(3, 1).float() / 255 - 0.5
    with torch.no_grad():
        flat = model.embed(shoes)
    images = flat.reshape(students, 3, 2, *flat.shape[1:])
    return InMemoryPairs(images, pairs.pair_index, pairs.same, pairs.is_synthetic_student)


def test_regression_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(300, 4))
    same = rows @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=300) > 1
    weights = comparison_fit.fit_logistic_regression(torch.from_numpy(rows), torch.from_numpy(same)).numpy()
    other = LogisticRegression(C=1 / comparison_fit.PENALTY, class_weight="balanced", tol=1e-10, max_iter=1000)
    other.fit(rows, same)
    np.testing.assert_allclose(weights, [*other.coef_[0], *other.intercept_], atol=1e-5)


@pytest.mark.parametrize("same", [[False] * 6, [True] * 6, [False, True] * 3])
def test_labels_that_can_be_told_apart_or_are_all_alike_give_finite_weights(same: list[bool]) -> None:
    rows = torch.tensor(same).double().unsqueeze(1) * 2 - 1
    assert torch.isfinite(comparison_fit.fit_logistic_regression(rows, torch.tensor(same))).all()


@pytest.mark.parametrize("name", ["efficientnet_frozen", "efficientnet_finetuned"])
def test_models_on_a_pretrained_network_are_trained_by_the_loop(name: str) -> None:
    data, model = features(name), registry.build_pretrained_model(name, FRESH)
    before = registry.copy_weights(model)
    history = loop.fit(model, data, data, CONFIG)
    after = registry.copy_weights(model)
    assert len(history.epochs) == (FRESH.epochs if model.is_trained_by_gradient else 1)
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert {"comparison.weight", "mean", "deviation", "center_head"} <= changed
    assert ("backbone._conv_head.weight" in changed) == (name == "efficientnet_finetuned")
    assert not [key for key in changed if "running" in key or key.startswith("backbone._conv_stem")]
    logits = predict_logits(model, data)
    assert ((logits[:, 1] > logits[:, 0]) == (data.same == 1)).double().mean() > 0.8


def test_same_training_gives_the_same_bits() -> None:
    name = "efficientnet_finetuned"
    data, weights = features(name), []
    for _ in range(2):
        model = registry.build_pretrained_model(name, FRESH)
        loop.fit(model, data, None, CONFIG)
        weights.append(registry.copy_weights(model))
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_view_is_drawn_for_all_photos_of_a_student_and_by_the_whole_mini_batch() -> None:
    shoes = torch.arange(7).reshape(1, 1, 1, 7, 1).expand(6, 3, 2, 7, 2).float()
    drawn = comparison_fit.draw_view(shoes, torch.Generator().manual_seed(1), sharding.full_shard(6))
    assert drawn.shape == (6, 3, 2, 1, 2)
    assert all(len(set(student.flatten().tolist())) == 1 for student in drawn)
    assert len(set(drawn.flatten().tolist())) > 1
    part = comparison_fit.draw_view(
        shoes[:2], torch.Generator().manual_seed(1), sharding.Shard(torch.tensor([1, 4]), 6)
    )
    assert torch.equal(part, drawn[[1, 4]])


def test_interrupted_fine_tuning_resumes_to_the_same_bits(tmp_path: Path) -> None:
    name = "efficientnet_finetuned"
    data, lines = features(name), list[str]()
    checkpoint = loop.CheckpointFile(tmp_path / "x.safetensors", "key", lines.append)
    uninterrupted, killed, resumed = (registry.build_pretrained_model(name, FRESH) for _ in range(3))
    expected = loop.fit(uninterrupted, data, None, CONFIG)

    def kill(_epoch: EpochMetrics, _weights: registry.Weights) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        loop.fit(killed, data, None, CONFIG, checkpoint, kill)
    history = loop.fit(resumed, data, None, CONFIG, checkpoint)
    assert any("resumes after epoch 1" in line for line in lines)
    assert history.losses == expected.losses
    one, other = registry.copy_weights(uninterrupted), registry.copy_weights(resumed)
    assert all(torch.equal(one[key], other[key]) for key in one)
