"""The sanity check of the assignment: a network that can learn at all memorises five students."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from shoepair.ingestion import decode_all, rules, scan
from shoepair.models import registry
from shoepair.runtime import storage
from shoepair.synthetic import sample_class
from shoepair.training import config
from shoepair.training.notebook import train_model

STUDENTS = 5


@pytest.mark.parametrize(("name", "lr"), [("cnn", 5e-5), ("cnn_channel", 2e-4)])
def test_five_students_are_memorised_within_50_iterations(name: str, lr: float, tmp_path: Path) -> None:
    torch.set_num_threads(2)
    sample_class.draw_class(tmp_path, STUDENTS, 1, seed=1)
    rows = rules.accept(scan.scan(tmp_path))
    listed = storage.listed(tmp_path, rows[rows["set"] == "train"])
    data = np.stack(list(decode_all.students(decode_all.read_all(listed, 224), 224)))
    assert data.shape == (STUDENTS, 3, 2, 224, 224, 3)
    # All 15 same and 15 different pairs are one batch: an epoch is an iteration.
    recipe = config.TrainConfig(epochs=50, batch_size=30, lr=lr, seed=1)
    history = train_model(registry.build(name, registry.ModelConfig(), 1), data, data[:1], config=recipe)
    assert len(history.losses) == 50
    assert max(min(epoch.train_positive, epoch.train_negative) for epoch in history.epochs) >= 0.9
