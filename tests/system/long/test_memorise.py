"""The sanity check of the assignment: a network that can learn at all memorises five students."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from shoepair.ingestion import file_manifest, parallel_decoding, validation
from shoepair.models import registry
from shoepair.runtime import storage
from shoepair.synthetic import synthetic_class
from shoepair.training import config
from shoepair.training.notebook import get_accuracy, train_model

STUDENTS = 5


@pytest.mark.parametrize(("name", "lr"), [("cnn", 5e-5), ("cnn_channel", 2e-4)])
def test_five_students_are_memorised_within_50_iterations(name: str, lr: float, tmp_path: Path) -> None:
    torch.set_num_threads(2)
    synthetic_class.write_synthetic_class(tmp_path, STUDENTS, 1, seed=1)
    rows = validation.select_accepted_photo_rows(file_manifest.build_manifest(tmp_path))
    listed = storage.list_photo_files(tmp_path, rows[rows["subset"] == "train"])
    data = np.stack(
        list(
            parallel_decoding.iter_student_photo_stacks(
                parallel_decoding.iter_decoded_photos_or_errors(listed, 224), 224
            )
        )
    )
    assert data.shape == (STUDENTS, 3, 2, 224, 224, 3)
    # All 15 same and 15 different pairs are one batch: an epoch is an iteration.
    recipe = config.TrainConfig(epochs=50, batch_size=30, lr=lr, seed=1)
    history = train_model(registry.build_model(name, registry.ModelConfig(), 1), data, data[:1], config=recipe)
    assert len(history.losses) == 50
    assert max(min(epoch.train_positive, epoch.train_negative) for epoch in history.epochs) >= 0.9


EDGE = 32


def test_siamese_learns_colours_it_has_not_seen() -> None:
    rng = np.random.default_rng(2)
    colours = rng.integers(0, 200, (24, 3, 1, 1, 1, 3))
    photos = (colours + rng.integers(0, 30, (24, 3, 2, EDGE, EDGE, 3))).astype(np.uint8)
    model = registry.build_model("siamese", registry.ModelConfig(n=2, kernel_size=3, batch_norm=True, edge=EDGE), 1)
    recipe = config.TrainConfig(epochs=12, batch_size=24, lr=5e-3, lr_schedule="cosine")
    train_model(model, photos[:16], photos[16:], config=recipe)
    positive, negative = get_accuracy(model, photos[16:])
    assert (positive + negative) / 2 > 0.9
