"""Architecture parameters of the models; params.yaml explains each of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shoepair.runtime.batches import UniqueNames
from shoepair.runtime.params import Section, StrictModel

DEFAULT_EDGE = 224
KERNEL_SIZES = (3, 5)


def _check_kernel_size(kernel_size: int) -> int:
    if kernel_size not in KERNEL_SIZES:
        message = "expected 3 or 5"
        raise ValueError(message)
    return kernel_size


class ConvConfig(Section):
    """Parameters of a network's convolutions.

    Args:
        n: channels after the first convolution; 2n, 4n and 8n after the others.
        kernel_size: edge K of every kernel; padding (K - 1) / 2 keeps the image size.
        batch_norm: normalise after every convolution.
        edge: S, of one shoe image in pixels; halved four times, an odd row or column is dropped.
    """

    n: int = Field(default=4, ge=1)
    kernel_size: Annotated[int, AfterValidator(_check_kernel_size)] = 3
    batch_norm: bool = Field(default=False, validation_alias="train.batch_norm")
    edge: int = Field(default=DEFAULT_EDGE, validation_alias="train.edge", ge=16, le=1024, multiple_of=8)


class ModelConfig(ConvConfig):
    """Architecture parameters of a model; saved beside its weights so that they can be loaded.

    Args:
        dropout: share of the flattened features and of the hidden units set to 0 while training.
        tta: test-time augmentation: outside training, average the logits of four views; False for models whose logits
            do not change when a pair is mirrored or its sides are swapped.
    """

    dropout: float = Field(default=0.0, validation_alias="train.dropout", ge=0, lt=1)
    tta: bool = Field(default=False, validation_alias="train.tta")


STAGES = 7
# JSON has lists, no tuples.
Sizes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(strict=False, min_length=STAGES, max_length=STAGES)
]


class BackboneConfig(StrictModel):
    """The sizes of a pretrained network's layers, read from its weights.

    Args:
        stem: channels after the first convolution.
        widths: channels of each stage.
        counts: blocks of each stage.
        head: channels of the last convolution.
    """

    stem: int = Field(ge=1)
    widths: Sizes
    counts: Sizes
    head: int = Field(ge=1)


class NetworkConfig(Section):
    """Which pretrained network is used.

    Args:
        weights: `bundled:efficientnet_lite0`, or another name of `pretrained_weights.BUNDLED_WEIGHTS`; or a path.
        sha256: of the file of weights.
    """

    weights: str = Field(default="bundled:efficientnet_lite0", validation_alias="pretrained.weights", min_length=1)
    sha256: str = Field(
        default="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        validation_alias="pretrained.sha256",
        pattern="^[0-9a-f]{64}$",
    )


class PretrainedConfig(NetworkConfig):
    """Which pretrained network is used, and how it is fine-tuned.

    Args:
        lr: learning rate of AdamW.
        epochs: passes over the students of a fine-tuning.
    """

    lr: float = Field(default=3e-4, validation_alias="pretrained.lr", gt=0, allow_inf_nan=False)
    epochs: int = Field(default=6, validation_alias="pretrained.epochs", ge=1)


class FeaturesConfig(NetworkConfig):
    """Of what features are stored, and where they are computed.

    Args:
        models: those on the pretrained network; without one no features are stored.
        augmented: stored views with random changes of each photo that may be trained on.
        seed: of these changes.
    """

    models: UniqueNames = Field(validation_alias="pretrained.models")
    augmented: int = Field(validation_alias="features.augmented", ge=0, le=32)
    seed: int = Field(ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(validation_alias="train.device")
    threads: int = Field(validation_alias="train.threads", ge=1)


class PretrainedLayers(StrictModel):
    """What a model on a pretrained network is built from; saved beside its weights so that they can be loaded.

    Args:
        weights: where the network's weights came from, see `PretrainedConfig`.
        sha256: of the file of weights.
        edge: that photos are scaled to.
        backbone: the sizes of the network's layers.
    """

    weights: str
    sha256: str
    edge: int = Field(ge=32, le=1024)
    backbone: BackboneConfig
