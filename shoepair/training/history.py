"""The course of a training run: losses, accuracies after every epoch, and the curves that DVC plots."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from shoepair.runtime.files import write_text
from shoepair.training.config import Keep

DIGITS = 6  # of every number in curves and cards


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

    @classmethod
    def of(cls, course: dict[str, Any]) -> History:
        """A course that `asdict` made plain, such as a checkpoint holds."""
        return cls([Epoch(**each) for each in course["epochs"]], list(course["losses"]))

    @property
    def best(self) -> Epoch:
        """The first epoch with the best validation accuracy."""
        return max(self.epochs, key=lambda epoch: epoch.valid_balanced)

    def selected(self, keep: Keep) -> Epoch:
        """The epoch that the weights are from."""
        return self.best if keep == "best" else self.epochs[-1]

    def epoch_table(self) -> pd.DataFrame:
        """One row per epoch, wide: the columns are what DVC plots."""
        rows = pd.DataFrame([asdict(epoch) for epoch in self.epochs])
        for split in ("train", "valid"):
            rows[f"{split}_balanced"] = (rows[f"{split}_positive"] + rows[f"{split}_negative"]) / 2
        return rows

    def iteration_table(self) -> pd.DataFrame:
        """One row per iteration: number from 1, and loss."""
        return pd.DataFrame({"iteration": range(1, len(self.losses) + 1), "loss": self.losses})


def write_curves(history: History, epochs: Path, iterations: Path) -> None:
    """Write the course of a training run as the two CSV files that DVC plots."""
    for path, rows in ((epochs, history.epoch_table()), (iterations, history.iteration_table())):
        write_text(path, rows.round(DIGITS).to_csv(index=False, lineterminator="\n"))
