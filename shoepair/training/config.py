"""How a model is trained: everything that is chosen, as one value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from shoepair.models.base import Shape
from shoepair.runtime import params
from shoepair.runtime.errors import ShoepairError
from shoepair.training.augmentation import Augmentation

NOTHING = Augmentation()
WARM_UP = 0.2  # part of the iterations in which the step of schedule `cosine` grows

Different = Literal["standard", "drawn", "all"]
Schedule = Literal["constant", "cosine"]
Keep = Literal["best", "last"]
Precision = Literal["float32", "bf16"]


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained.

    Args:
        epochs: passes over the training pairs, at most.
        batch_size: pairs in a batch, an even number: half same, half different. Where whole students are compared, a
            student, six photos, for every three of them.
        lr: Adam's step.
        weight_decay: L2 penalty, as Adam applies it.
        seed: of the order of the pairs, of the changes of photos, and of dropout.
        different: the three standard different pairs of a student, three of the six drawn anew every epoch, or all six
            (then every same pair comes twice, which weighs both alike).
        synthetic: drawn students in an epoch for each photographed one, others every time, all that there are at most;
            0 for none.
        augmentation: how photos are changed.
        schedule: of the step: constant, or growing for a fifth of the iterations and then falling to 0 as a cosine.
        patience: epochs without a better validation accuracy after which training ends; 0 for never.
        keep: the weights of the best epoch by validation (of one view, see `Shape.tta`), or of the last one.
        average: how much of a moving average of the weights stays at each iteration, 0..1; the average is what is
            measured and kept. 0: the weights themselves. (Polyak and Juditsky, "Acceleration of stochastic
            approximation by averaging", 1992; here exponential.)
        precision: float32, or bf16 where the processor has it.
        compiled: whether `torch.compile` makes the step.

    Raises:
        ShoepairError: a value is out of its range.
    """

    epochs: int = 20
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.0
    seed: int = 1
    different: Different = "standard"
    synthetic: float = 0.0
    augmentation: Augmentation = NOTHING
    schedule: Schedule = "constant"
    patience: int = 0
    keep: Keep = "best"
    average: float = 0.0
    precision: Precision = "float32"
    compiled: bool = False

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
        if not 0 <= self.synthetic < math.inf:
            found = f"synthetic: {self.synthetic}, expected 0 (no drawn students) or more"
            raise ShoepairError(found, fix="set `train.synthetic` to 0.0 or 1.0")
        if not 0 <= self.average < 1:
            found = f"average: {self.average}, expected 0 (none) or more, and below 1"
            raise ShoepairError(found, fix="set `train.average` to 0.99")

    def step(self, iteration: int, total: int) -> float:
        """Adam's step in an iteration 0..total-1, as a part of `lr`."""
        if self.schedule == "constant":
            return 1.0
        grows = max(1, round(WARM_UP * total))
        if iteration < grows:
            return (iteration + 1) / grows
        return (1 + math.cos(math.pi * (iteration - grows) / max(1, total - grows))) / 2


def of(chosen: params.Train) -> TrainConfig:
    """The recipe that params.yaml sets."""
    return TrainConfig(
        epochs=chosen.epochs,
        batch_size=chosen.batch_size,
        lr=chosen.lr,
        weight_decay=chosen.weight_decay,
        seed=chosen.seed,
        different=chosen.different,
        synthetic=chosen.synthetic,
        augmentation=Augmentation(chosen.mirror, chosen.colour, chosen.affine, chosen.exchange),
        schedule=chosen.schedule,
        patience=chosen.patience,
        keep=chosen.keep,
        average=chosen.average,
        precision=chosen.precision,
        compiled=chosen.compiled,
    )


def shape_of(chosen: params.Train) -> Shape:
    """The layers that params.yaml sets."""
    return Shape(chosen.n, chosen.kernel_size, chosen.batch_norm, chosen.dropout, chosen.edge, chosen.tta)
