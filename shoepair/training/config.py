"""Everything that is chosen for a training, as one value."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field

from shoepair.models.config import ModelConfig
from shoepair.runtime.params import Section

WARM_UP = 0.2  # part of the iterations in which the learning rate of schedule `cosine` grows

Keep = Literal["best", "last"]
Precision = Literal["float32", "bf16"]


class Augmentation(Section):
    """How much photos are changed while training.

    Args:
        mirror: half of the groups are mirrored and their sides swapped.
        colour: strength of the changes of colour and light, 0 for none, 1 for up to 15 % a channel and 25 % in all.
        affine: strength of turns (10 degrees at 1), sizes (10 %) and shifts (5 % of the edge), 0 for none.
        exchange: the sides of half of the groups are swapped, whether mirrored or not.
    """

    mirror: bool = Field(default=False, validation_alias="train.mirror")
    colour: float = Field(default=0.0, validation_alias="train.colour", ge=0, le=4)
    affine: float = Field(default=0.0, validation_alias="train.affine", ge=0, le=4)
    exchange: bool = Field(default=False, validation_alias="train.exchange")


class TrainConfig(Section):
    """How a model is built and trained.

    Args:
        epochs: passes over the training pairs, at most.
        batch_size: pairs in a batch, half same, half different. Where whole students are compared, a student, six
            photos, for every three of them.
        lr: learning rate of Adam.
        weight_decay: L2 penalty, as Adam applies it.
        seed: of the weights, of the order of the pairs, of augmentation and of dropout.
        different: the three standard different pairs of a student, three of the six drawn anew every epoch, or all six
            (then every same pair comes twice, which weighs both alike).
        synthetic: synthetic students in an epoch for each photographed one, others every time, all that there are at
            most; 0 for none.
        augmentation: how photos are changed.
        schedule: of the learning rate: constant, or growing for a fifth of the iterations and then falling to 0 as a
            cosine.
        patience: epochs without a better validation accuracy after which training ends; 0 for never.
        keep: the weights of the best epoch by validation (of one view, see `ModelConfig.tta`), or of the last one.
        average: how much of a moving average of the weights stays at each iteration; the average is what is measured
            and kept. 0: the weights themselves. (Polyak and Juditsky, "Acceleration of stochastic approximation by
            averaging", 1992; here exponential.)
        precision: float32, or bf16 where the processor has it.
        compiled: whether `torch.compile` makes the step.
        network: what the model is built from; not read where a model is given.
        device: see `devices.chosen`; not read where a model is given.
        memory_mb: photos that take more are streamed from the stores; no result depends on it.
        threads: CPU threads.
    """

    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=32, ge=2, multiple_of=2)
    lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    seed: int = Field(default=1, ge=0)
    different: Literal["standard", "drawn", "all"] = Field(default="standard", validation_alias="train.different")
    synthetic: float = Field(default=0.0, validation_alias="train.synthetic", ge=0, allow_inf_nan=False)
    augmentation: Augmentation = Augmentation()
    schedule: Literal["constant", "cosine"] = Field(default="constant", validation_alias="train.schedule")
    patience: int = Field(default=0, validation_alias="train.patience", ge=0)
    keep: Keep = Field(default="best", validation_alias="train.keep")
    average: float = Field(default=0.0, validation_alias="train.average", ge=0, lt=1)
    precision: Precision = Field(default="float32", validation_alias="train.precision")
    compiled: bool = Field(default=False, validation_alias="train.compile")
    network: ModelConfig = ModelConfig()
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", validation_alias="train.device")
    memory_mb: int = Field(default=4096, validation_alias="train.memory_mb", ge=0)
    threads: int = Field(default=2, validation_alias="train.threads", ge=1)

    def card(self) -> dict[str, Any]:
        """What the card of a trained model says of its training."""
        return self.model_dump(exclude={"network", "device", "memory_mb", "threads"})

    def lr_factor(self, iteration: int, total: int) -> float:
        """The learning rate in an iteration 0..total-1, as a part of `lr`."""
        if self.schedule == "constant":
            return 1.0
        grows = max(1, round(WARM_UP * total))
        if iteration < grows:
            return (iteration + 1) / grows
        return (1 + math.cos(math.pi * (iteration - grows) / max(1, total - grows))) / 2
