"""The training loop. It knows no model by name: anything that takes (B, 3, 2S, S) and gives (B, 2) logits will do.

Each batch is half same and half different pairs, both reshuffled every epoch, and the last short batch is used. After
every epoch come a checkpoint and the accuracies on train and valid, positive and negative apart; the weights of the
epoch with the best validation accuracy (the first such) are the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shoepair import batches
from shoepair.batches import PairData
from shoepair.errors import ShoepairError
from shoepair.models import Weights, save_weights, weights_of
from shoepair.paths import write_text

DIGITS = 6  # of every number in curves and cards

Photos = NDArray[np.uint8] | NDArray[np.float32]


class Source(Protocol):
    """What an epoch draws its batches from: `PairData`, or anything of the same two parts."""

    @property
    def same(self) -> Tensor:
        """The (P,) labels of the pairs: 1 same, 0 different."""

    def batch(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs of these numbers: (B, 3, 2S, S) images and (B,) labels."""


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Args:
        epochs: passes over the training pairs.
        batch_size: pairs in a batch, an even number: half same, half different.
        lr: Adam's step.
        weight_decay: L2 penalty, as Adam applies it.
        seed: of the order of the pairs, and of dropout.

    Raises:
        ShoepairError: a value is out of its range.
    """

    epochs: int = 20
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.batch_size % 2:
            found = f"batch_size: {self.batch_size}, expected an even number (half same, half different pairs)"
            raise ShoepairError(found, fix="set `batch_size` to an even number, 2 or more")
        if self.epochs < 1:
            found = f"epochs: {self.epochs}, expected 1 or more"
            raise ShoepairError(found, fix="set `epochs` to 1 or more")
        if not (0 < self.lr < math.inf and 0 <= self.weight_decay < math.inf):
            found = f"lr: {self.lr}, weight_decay: {self.weight_decay}; expected lr above 0 and weight_decay 0 or more"
            raise ShoepairError(found, fix="set `lr` to 1.0e-3 and `weight_decay` to 0.0")


@dataclass(frozen=True)
class Epoch:
    """What is known after an epoch: mean loss of its iterations, accuracies 0..1 after it."""

    epoch: int  # 1, 2, ...
    train_loss: float
    train_positive: float
    train_negative: float
    valid_positive: float
    valid_negative: float

    @property
    def valid_balanced(self) -> float:
        """What the best epoch is chosen by."""
        return (self.valid_positive + self.valid_negative) / 2

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch:3}  loss {self.train_loss:.4f}"
            f"  train: positive {self.train_positive:6.1%} negative {self.train_negative:6.1%}"
            f"  valid: positive {self.valid_positive:6.1%} negative {self.valid_negative:6.1%}"
        )


@dataclass
class History:
    """The course of a training run: the epochs, and the loss of every iteration."""

    epochs: list[Epoch] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """The first epoch with the best validation accuracy."""
        return max(self.epochs, key=lambda epoch: epoch.valid_balanced)

    def epoch_table(self) -> pd.DataFrame:
        """One row per epoch, wide: the columns are what DVC plots."""
        rows = pd.DataFrame([asdict(epoch) for epoch in self.epochs])
        for split in ("train", "valid"):
            rows[f"{split}_balanced"] = (rows[f"{split}_positive"] + rows[f"{split}_negative"]) / 2
        return rows

    def iteration_table(self) -> pd.DataFrame:
        """One row per iteration: number from 1, and loss."""
        return pd.DataFrame({"iteration": range(1, len(self.losses) + 1), "loss": self.losses})


def fit(
    model: nn.Module,
    train: PairData,
    valid: PairData,
    recipe: Recipe,
    after_epoch: Callable[[Epoch, Weights], None] = lambda _epoch, _weights: None,
) -> History:
    """Train a model; afterwards it holds the weights of the best epoch.

    Args:
        model: takes (B, 3, 2S, S) float32, gives (B, 2) logits: different, same.
        train: the pairs to learn from.
        valid: the pairs by which the best epoch is chosen.
        recipe: how.
        after_epoch: called with the accuracies and the weights after every epoch.

    Returns:
        The course of the training. The same inputs give the same bits on the same machine.

    Raises:
        ShoepairError: the loss is no longer finite.
    """
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    order = torch.Generator().manual_seed(recipe.seed)
    history, best = History(), {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # dropout can draw from the global generator only
        for number in range(1, recipe.epochs + 1):
            losses = list(epoch(model, train, optimizer, recipe, order))
            history.losses += losses
            history.epochs.append(_measure(model, train, valid, number, losses, recipe.batch_size))
            if history.best.epoch == number:
                best = weights_of(model)
            after_epoch(history.epochs[-1], weights_of(model))
    model.load_state_dict(best)
    return history


def epoch(
    model: nn.Module, train: Source, optimizer: torch.optim.Optimizer, recipe: Recipe, order: torch.Generator
) -> Iterator[float]:
    """One pass over the training pairs, yielding the loss of every iteration."""
    model.train()
    for number, which in enumerate(balanced_batches(train.same, recipe.batch_size, order), start=1):
        images, labels = train.batch(which)  # (B, 3, 2S, S), (B,)
        loss = functional.cross_entropy(model(images), labels)
        if not torch.isfinite(loss):
            found = f"training: the loss is {loss.item()} in iteration {number} of an epoch, with lr {recipe.lr}"
            raise ShoepairError(found, fix=f"try a smaller `lr`, such as {recipe.lr / 10:g}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        optimizer.step()
        yield loss.item()


def balanced_batches(same: Tensor, batch_size: int, order: torch.Generator) -> Iterator[Tensor]:
    """Deal the pairs into batches, half same and half different, every pair once.

    Args:
        same: (P,) labels; as many 1 as 0.
        batch_size: an even number.
        order: draws the two shuffles.

    Yields:
        (batch_size,) pair numbers, the last batch shorter if the pairs do not come out even.
    """
    half = batch_size // 2
    kinds = [torch.nonzero(same == label).flatten() for label in (1, 0)]
    positive, negative = (kind[torch.randperm(len(kind), generator=order)] for kind in kinds)
    for start in range(0, max(len(positive), len(negative)), half):
        yield torch.cat([positive[start : start + half], negative[start : start + half]])


def logits(model: nn.Module, data: PairData, batch_size: int) -> Tensor:
    """The model's answer to every pair: (P, 2) float32, different and same."""
    model.eval()
    with torch.inference_mode():
        parts = [model(data.batch(which)[0]) for which in torch.split(torch.arange(len(data)), batch_size)]
    return torch.cat(parts).to(torch.float32)


def accuracies(model: nn.Module, data: PairData, batch_size: int) -> tuple[float, float]:
    """Positive and negative accuracy: the share of same pairs called same, of different ones called different."""
    called_same = logits(model, data, batch_size).argmax(1) == 1
    right = called_same == (data.same == 1)
    return right[data.same == 1].double().mean().item(), right[data.same == 0].double().mean().item()


def _measure(
    model: nn.Module, train: PairData, valid: PairData, number: int, losses: Sequence[float], batch_size: int
) -> Epoch:
    train_accuracies, valid_accuracies = (accuracies(model, data, batch_size) for data in (train, valid))
    return Epoch(number, float(np.mean(losses)), *train_accuracies, *valid_accuracies)


@dataclass(frozen=True)
class Checkpoint:
    """What a training run leaves behind after every epoch: its weights in one file, a line to read.

    Args:
        path: the file; each epoch replaces the one before. It survives a killed run and is no output of the stage.
        report: prints a line.
    """

    path: Path
    report: Callable[[str], object]

    def __call__(self, epoch: Epoch, weights: Weights) -> None:
        """Keep the weights and print the accuracies."""
        save_weights(self.path, weights)
        self.report(str(epoch))


def use_threads(number: int) -> None:
    """Fix the number of CPU threads: sums are split among them, so their number shows in the last bits."""
    torch.set_num_threads(number)


def facts(recipe: Recipe, history: History) -> dict[str, Any]:
    """What the card of a trained model says of its training: the recipe, and the epoch the weights are from."""
    best = {name: round(value, DIGITS) for name, value in asdict(history.best).items()}
    return {"recipe": asdict(recipe), "best": best}


def write_curves(history: History, epochs: Path, iterations: Path) -> None:
    """Write the course of a training run as the two CSV files that DVC plots."""
    for path, rows in ((epochs, history.epoch_table()), (iterations, history.iteration_table())):
        write_text(path, rows.round(DIGITS).to_csv(index=False, lineterminator="\n"))


def train_model(
    model: nn.Module,
    train_data: Photos,
    valid_data: Photos,
    *,
    recipe: Recipe | None = None,
    checkpoint_path: str | Path | None = None,
) -> History:
    """Train a model on plain arrays, as in the assignment's notebook.

    Args:
        model: `CNN()` or `CNNChannel()`, or any other of the same input and output.
        train_data: (N, 3, 2, S, S, 3), uint8 or floating point of -0.5..0.5, such as `load_split("train")`.
        valid_data: likewise.
        recipe: epochs, batch size, learning rate, weight decay, seed.
        checkpoint_path: folder for the weights after every epoch, `epoch-001.safetensors`, ...; none if not given.

    Returns:
        Losses and accuracies; the model holds the weights of the best epoch by validation accuracy.
    """

    def checkpoint(done: Epoch, weights: Weights) -> None:
        if checkpoint_path is not None:
            save_weights(Path(checkpoint_path) / f"epoch-{done.epoch:03}.safetensors", weights)

    train, valid = batches.from_arrays(train_data), batches.from_arrays(valid_data)
    return fit(model, train, valid, recipe or Recipe(), checkpoint)


def get_accuracy(model: nn.Module, data: Photos, batch_size: int = 32) -> tuple[float, float]:
    """Positive and negative accuracy of a model on plain arrays, as in the assignment's notebook.

    Args:
        model: takes (B, 3, 2S, S), gives (B, 2) logits.
        data: (N, 3, 2, S, S, 3), uint8 or floating point of -0.5..0.5.
        batch_size: pairs at a time; the result does not depend on it.

    Returns:
        Share of the 3N same pairs called same, share of the 3N different pairs called different.
    """
    return accuracies(model, batches.from_arrays(data), batch_size)
