"""Training history: losses, metrics after every epoch, and the curves that DVC plots."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from shoepair.runtime.atomic_files import write_text
from shoepair.training.config import KeepEpoch

DECIMALS = 6  # of every number in curves and cards


@dataclass(frozen=True)
class EpochMetrics:
    """The metrics of one epoch: mean training loss, accuracies 0..1 on train and valid.

    Those on train are of the epoch's mini-batches as they were trained, before each step: augmented, with dropout,
    without synthetic students. Those on valid are of the weights after the epoch, one view of each pair.
    """

    epoch: int  # 1, 2, ...
    train_loss: float
    train_positive: float
    train_negative: float
    valid_positive: float
    valid_negative: float

    @property
    def valid_balanced(self) -> float:
        """The balanced accuracy on valid, by which the best epoch is selected."""
        return (self.valid_positive + self.valid_negative) / 2

    def __str__(self) -> str:
        """Format loss and accuracy on valid, short enough to stand behind a progress bar."""
        return f"loss {self.train_loss:.2f} valid {self.valid_balanced:.1%}"


@dataclass
class History:
    """The metrics of every epoch and the loss of every iteration of a training."""

    epochs: list[EpochMetrics] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> History:
        """Create a history from the dict that `dataclasses.asdict` made of one."""
        return cls([EpochMetrics(**values) for values in fields["epochs"]], list(fields["losses"]))

    @property
    def best_epoch(self) -> EpochMetrics:
        """The first epoch with the best validation accuracy."""
        return max(self.epochs, key=lambda epoch: epoch.valid_balanced)

    def selected_epoch(self, keep_epoch: KeepEpoch) -> EpochMetrics:
        """Return the metrics of the epoch whose weights are kept: the best or the last one."""
        return self.best_epoch if keep_epoch == "best" else self.epochs[-1]

    def epoch_curve(self) -> pd.DataFrame:
        """Return the metrics per epoch, one row per epoch; DVC plots the columns."""
        rows = pd.DataFrame([asdict(epoch) for epoch in self.epochs])
        for split in ("train", "valid"):
            rows[f"{split}_balanced"] = (rows[f"{split}_positive"] + rows[f"{split}_negative"]) / 2
        return rows

    def loss_curve(self) -> pd.DataFrame:
        """Return the loss per iteration: columns `iteration`, from 1, and `loss`."""
        return pd.DataFrame({"iteration": range(1, len(self.losses) + 1), "loss": self.losses})


def write_curves(history: History, epoch_curve_path: Path, loss_curve_path: Path) -> None:
    """Write the metrics per epoch and the loss per iteration as two CSV files."""
    for path, rows in ((epoch_curve_path, history.epoch_curve()), (loss_curve_path, history.loss_curve())):
        write_text(path, rows.round(DECIMALS).to_csv(index=False, lineterminator="\n"))
