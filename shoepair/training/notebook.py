"""Training and accuracies on plain arrays, as in the assignment's notebook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from shoepair.data import pair_dataset
from shoepair.models.inference import positive_and_negative_accuracy
from shoepair.models.registry import Weights, save_weights
from shoepair.training.config import TrainConfig
from shoepair.training.history import EpochMetrics, History
from shoepair.training.loop import fit

Photos = NDArray[np.uint8] | NDArray[np.float32]


def train_model(
    model: nn.Module,
    train_data: Photos,
    valid_data: Photos,
    *,
    config: TrainConfig | None = None,
    checkpoint_path: str | Path | None = None,
) -> History:
    """Train a model on plain arrays, as in the assignment's notebook; return its history.

    Args:
        model: `CNN()`, `CNNChannel()` or any other with the same input and output.
        train_data: (N, 3, 2, S, S, 3), uint8 or floating point of -0.5..0.5, such as `load_split("train")`.
        valid_data: likewise.
        config: epochs, batch size, learning rate, weight decay, seed.
        checkpoint_path: folder for the weights after every epoch, `epoch-001.safetensors`, ...; by default none.

    Returns:
        Losses and accuracies; the model holds the weights of the best epoch by validation accuracy.
    """

    def save(metrics: EpochMetrics, weights: Weights) -> None:
        if checkpoint_path is not None:
            save_weights(Path(checkpoint_path) / f"epoch-{metrics.epoch:03}.safetensors", weights)

    train, valid = (
        pair_dataset.make_standard_pair_dataset(train_data),
        pair_dataset.make_standard_pair_dataset(valid_data),
    )
    return fit(model, train, valid, config or TrainConfig(), after_epoch=save)


def get_accuracy(model: nn.Module, data: Photos, batch_size: int = 32) -> tuple[float, float]:
    """Return positive and negative accuracy on plain arrays, as in the assignment's notebook.

    Args:
        model: maps (B, 3, 2S, S) to (B, 2) logits.
        data: (N, 3, 2, S, S, 3), uint8 or floating point of -0.5..0.5.
        batch_size: pairs per mini-batch; the result does not depend on it.

    Returns:
        Share of the 3N same pairs predicted same, share of the 3N different pairs predicted different.
    """
    return positive_and_negative_accuracy(model, pair_dataset.make_standard_pair_dataset(data), batch_size)
