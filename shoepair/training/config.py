"""Parameters of a training as one value: model, data, augmentation, optimizer, schedule, device."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field

from shoepair.models.config import ModelConfig, PretrainedConfig
from shoepair.runtime.params import Section

PRETRAINED_BATCH_SIZE = 12  # pairs, of four students
PRETRAINED_WEIGHT_DECAY = 0.01
WARMUP_SHARE = 0.2  # of the iterations: the learning rate of schedule `cosine` rises

KeepEpoch = Literal["best", "last"]
Precision = Literal["float32", "bf16"]


class AugmentationConfig(Section):
    """Which random changes training photos get, and how strong they are.

    Args:
        mirror_swap: half of the groups are mirrored and their sides swapped.
        color_jitter: strength of changes of colour and light; 0: none, 1: up to 15 % per channel and 25 % in all.
        affine: strength of rotation (10 degrees at 1), scaling (10 %) and shift (5 % of the edge); 0: none.
        swap_sides: the sides of half of the groups are swapped, whether mirrored or not.
    """

    mirror_swap: bool = Field(default=False, validation_alias="train.mirror_swap")
    color_jitter: float = Field(default=0.0, validation_alias="train.color_jitter", ge=0, le=4)
    affine: float = Field(default=0.0, validation_alias="train.affine", ge=0, le=4)
    swap_sides: bool = Field(default=False, validation_alias="train.swap_sides")


class TrainConfig(Section):
    """All settings of a training: model, data, optimizer, schedule, device.

    Args:
        epochs: maximum number of passes over the training pairs.
        batch_size: pairs in a mini-batch, half same, half different; for models trained on students, a student (six
            photos) for every three pairs.
        lr: learning rate of Adam.
        weight_decay: L2 penalty, as Adam applies it.
        seed: of the weights, of the order of the pairs, of augmentation and of dropout.
        negatives: the three standard different pairs of a student, three random ones of the six every epoch, or all
            six (then every same pair comes twice, so that both labels weigh alike).
        synthetic_ratio: synthetic students in an epoch per real one, sampled anew every epoch, at most all; 0: none.
        augmentation: how photos are changed.
        lr_schedule: constant, or cosine: the learning rate rises for a fifth of the iterations, then falls to 0.
        patience: epochs without a better validation accuracy after which training ends; 0 for never.
        keep_epoch: keep the weights of the best epoch by validation (one view, see `ModelConfig.tta`), or of the last.
        ema_decay: decay of the exponential moving average (EMA) of the weights per iteration; the average is measured
            and kept. 0: the weights themselves. (After Polyak and Juditsky, "Acceleration of stochastic approximation
            by averaging", 1992.)
        precision: float32, or bf16 where the processor supports it.
        compiled: whether the training step is compiled by `torch.compile`.
        network: architecture of the model; ignored where a model is given.
        device: see `devices.select_device`; ignored where a model is given.
        memory_mb: photos that take more are streamed from the stores; no result depends on it.
        threads: CPU threads.
    """

    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=32, ge=2, multiple_of=2)
    lr: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    seed: int = Field(default=1, ge=0)
    negatives: Literal["standard", "random", "all"] = Field(default="standard", validation_alias="train.negatives")
    synthetic_ratio: float = Field(default=0.0, validation_alias="train.synthetic_ratio", ge=0, allow_inf_nan=False)
    augmentation: AugmentationConfig = AugmentationConfig()
    lr_schedule: Literal["constant", "cosine"] = Field(default="constant", validation_alias="train.lr_schedule")
    patience: int = Field(default=0, validation_alias="train.patience", ge=0)
    keep_epoch: KeepEpoch = Field(default="best", validation_alias="train.keep_epoch")
    ema_decay: float = Field(default=0.0, validation_alias="train.ema_decay", ge=0, lt=1)
    precision: Precision = Field(default="float32", validation_alias="train.precision")
    compiled: bool = Field(default=False, validation_alias="train.compile")
    network: ModelConfig = ModelConfig()
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", validation_alias="train.device")
    memory_mb: int = Field(default=4096, validation_alias="train.memory_mb", ge=0)
    threads: int = Field(default=1, validation_alias="train.threads", ge=1)

    def card_fields(self) -> dict[str, Any]:
        """Return the settings that are recorded in the model card."""
        return self.model_dump(exclude={"network", "device", "memory_mb", "threads"})

    def lr_factor(self, iteration: int, total_iterations: int) -> float:
        """Return the learning rate of an iteration, 0..total_iterations-1, as a fraction of `lr`."""
        if self.lr_schedule == "constant":
            return 1.0
        warmup = max(1, round(WARMUP_SHARE * total_iterations))
        if iteration < warmup:
            return (iteration + 1) / warmup
        return (1 + math.cos(math.pi * (iteration - warmup) / max(1, total_iterations - warmup))) / 2


class AnyTrainConfig(TrainConfig):
    """Settings of a training of any model, from scratch or on a pretrained network."""

    pretrained: PretrainedConfig = PretrainedConfig()


class PretrainedTrainConfig(Section):
    """The settings that a training on a pretrained network reads."""

    pretrained: PretrainedConfig = PretrainedConfig()
    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(validation_alias="train.device")
    memory_mb: int = Field(validation_alias="train.memory_mb", ge=0)
    threads: int = Field(validation_alias="train.threads", ge=1)

    def complete(self) -> AnyTrainConfig:
        """Return the settings of a training; those that it does not read have their default values."""
        return AnyTrainConfig(**{name: getattr(self, name) for name in type(self).model_fields})


def fine_tuning_config(config: TrainConfig, pretrained: PretrainedConfig) -> TrainConfig:
    """Return the settings with which the last blocks of a pretrained network are trained.

    No photo is changed: the stored views, as it is, mirrored and perhaps augmented, are drawn instead.
    """
    return TrainConfig(
        epochs=pretrained.epochs,
        batch_size=PRETRAINED_BATCH_SIZE,
        lr=pretrained.lr,
        weight_decay=PRETRAINED_WEIGHT_DECAY,
        seed=config.seed,
        lr_schedule="cosine",
        keep_epoch="last",
        device=config.device,
        memory_mb=config.memory_mb,
        threads=config.threads,
    )
