"""Training and accuracies on plain arrays, as in the assignment's notebook."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shoepair.data import pair_dataset, photo_arrays
from shoepair.data.pair_dataset import InMemoryPairs
from shoepair.models import module_interface
from shoepair.models.base import Model
from shoepair.models.inference import positive_and_negative_accuracy
from shoepair.models.registry import Weights, save_weights
from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig
from shoepair.training.history import EpochMetrics, History
from shoepair.training.loop import fit


def train_model(
    model: nn.Module,
    train_data: Any,
    valid_data: Any,
    *,
    config: TrainConfig | None = None,
    checkpoint_path: str | Path | None = None,
) -> History:
    """Train a model on plain arrays, as in the assignment's notebook; return its history.

    Args:
        model: `CNN()`, `CNNChannel()` or any other module with the same input and output; it gets contiguous float
            images (B, 3, 2S, S), of the device and type of its weights.
        train_data: (N, 3, 2, S, S, 3), such as `load_split("train")`: an array, a tensor or a list of students,
            bytes or floats of -0.5..0.5, 0..1 or 0..255, channels last or first (`photo_arrays.convert_photos`).
        valid_data: likewise.
        config: epochs, batch size, learning rate, weight decay, seed.
        checkpoint_path: folder for the weights after every epoch, `epoch-001.safetensors`, ...; by default none.

    Returns:
        Losses; accuracies on `train_data` of the mini-batches as they were trained, on `valid_data` after each epoch
        (`get_accuracy` measures both alike). The model holds the weights of the best epoch by validation accuracy.

    Raises:
        ShoepairError: photos or logits are of another form, or there is nothing to train or to select the epoch by.
    """

    def save(metrics: EpochMetrics, weights: Weights) -> None:
        if checkpoint_path is not None:
            save_weights(Path(checkpoint_path) / f"epoch-{metrics.epoch:03}.safetensors", weights)

    module_interface.raise_if_no_module(model)
    train, valid = (_make_pairs(data, name) for data, name in ((train_data, "train_data"), (valid_data, "valid_data")))
    config = config or TrainConfig()
    for name, pairs in (("train_data", train), ("valid_data", valid)):
        if not len(pairs) and (pairs is train or config.keep_epoch == "best"):
            message = f"{name}: no students, expected at least one"
            raise ShoepairError(message, fix="hand over what `load_split` returns")
    if not isinstance(model, Model):
        module_interface.prepare_training(model, train.get_mini_batch(torch.tensor([0]))[0])
    return fit(model, train, valid, config, after_epoch=save)


def get_accuracy(model: nn.Module, data: Any, batch_size: int = 32) -> tuple[float, float]:
    """Return positive and negative accuracy on plain arrays, as in the assignment's notebook.

    Args:
        model: maps (B, 3, 2S, S) to (B, 2) logits; it is left in the mode, training or evaluation, that it was in.
        data: (N, 3, 2, S, S, 3), as for `train_model`.
        batch_size: pairs per mini-batch; the result does not depend on it.

    Returns:
        Share of the 3N same pairs predicted same, share of the 3N different pairs predicted different; NaN if N is 0.

    Raises:
        ShoepairError: photos or logits are of another form.
    """
    module_interface.raise_if_no_module(model)
    if batch_size < 1:
        message = f"batch_size: {batch_size}, expected 1 or more"
        raise ShoepairError(message)
    pairs = _make_pairs(data, "data")
    if not len(pairs):
        return math.nan, math.nan
    with module_interface.evaluation_mode(model):
        return positive_and_negative_accuracy(model, pairs, batch_size)


def _make_pairs(data: Any, name: str) -> InMemoryPairs:
    """Return the standard pairs of photos; `name` is that of the argument, for messages."""
    return pair_dataset.make_standard_pair_dataset(photo_arrays.convert_photos(data, name))
