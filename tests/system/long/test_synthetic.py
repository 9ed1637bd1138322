"""Drawn students beside the class: learnt from, never judged, and in no class."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.drawn import draw_students, rows

from shoepair.data import loading, pair_dataset, photo_loading
from shoepair.models import inference, registry
from shoepair.training import loop
from shoepair.training.config import TrainConfig

MANY = 2**31  # bytes: photos stay in memory


@pytest.fixture
def drawn(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny project with the store of five drawn students."""
    draw_students(monkeypatch)
    return project


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("memory", [MANY, 0])
def test_accuracies_are_those_of_the_class_alone(memory: int) -> None:
    real = rows(3)
    data = loading.load_or_stream_pairs(
        photo_loading.append_synthetic_pair_rows(real), 16, memory, torch.device("cpu")
    )
    for name in ("cnn_channel", "siamese", "histogram"):
        model = registry.build_model(name, registry.ModelConfig(n=2, edge=16), 1)
        recipe = TrainConfig(epochs=1, batch_size=6, synthetic_ratio=1.0, negatives="random")
        history = loop.fit(model, data, pair_dataset.drop_synthetic_pairs(data), recipe)
        alone = loading.load_or_stream_pairs(real, 16, MANY, torch.device("cpu"))
        got = (history.epochs[0].valid_positive, history.epochs[0].valid_negative)
        assert got == inference.positive_and_negative_accuracy(model, alone, tta=False)
        assert len(inference.predict_logits(model, pair_dataset.drop_synthetic_pairs(data))) == 27
