"""Drawn students beside the class: learnt from, never judged, and in no class."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from support.field import edit

from shoepair.data import loading, pair_dataset, pairs
from shoepair.models import inference, registry
from shoepair.runtime import paths
from shoepair.runtime.parallel import local
from shoepair.training import loop
from shoepair.training.config import TrainConfig
from stages import synthetic as stage

MANY = 2**31  # bytes: photos stay in memory


@pytest.fixture
def drawn(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny project with the store of five drawn students."""
    monkeypatch.setattr(local, "count_cores", lambda: 1)
    edit(paths.PARAMS, "  students: 2 ", "  students: 5 ")
    stage.main()
    return project


def rows(students: int) -> pd.DataFrame:
    """`Pairs` rows of a class whose photos are those of the drawn students, under a name of its own."""
    paths.STORES.mkdir(parents=True, exist_ok=True)  # the drawn ones have a folder of their own
    paths.store("tiny").write_bytes(paths.store(paths.SYNTHETIC).read_bytes())
    about = {"batch": "tiny", "student": [f"u{n}" for n in range(1, students + 1)], "row": range(students)}
    return pairs.build(pd.DataFrame({**about, "split": "train"}))


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("memory", [MANY, 0])
def test_accuracies_are_those_of_the_class_alone(memory: int) -> None:
    real = rows(3)
    data = loading.within(loading.add_synthetic_pairs(real), 16, memory, torch.device("cpu"))
    for name in ("cnn_channel", "siamese", "histogram"):
        model = registry.build(name, registry.ModelConfig(n=2, edge=16), 1)
        recipe = TrainConfig(epochs=1, batch_size=6, synthetic=1.0, different="drawn")
        history = loop.fit(model, data, pair_dataset.without_synthetic(data), recipe)
        alone = loading.within(real, 16, MANY, torch.device("cpu"))
        got = (history.epochs[0].train_positive, history.epochs[0].train_negative)
        assert got == inference.accuracies(model, alone)
        assert len(inference.logits(model, pair_dataset.without_synthetic(data))) == 27
