"""Architecture parameters of the models; params.yaml explains each of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from shoepair.runtime.params import Section

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
    """

    n: int = Field(default=4, ge=1)
    kernel_size: Annotated[int, AfterValidator(_check_kernel_size)] = 3
    batch_norm: bool = Field(default=False, validation_alias="train.batch_norm")


class ModelConfig(ConvConfig):
    """Architecture parameters of a model; saved beside its weights so that they can be loaded.

    Args:
        dropout: share of the flattened features and of the hidden units set to 0 while training.
        edge: S, of one shoe image in pixels; halved four times.
        tta: test-time augmentation: outside training, average the logits of four views; False for models whose logits
            do not change when a pair is mirrored or its sides are swapped.
    """

    dropout: float = Field(default=0.0, validation_alias="train.dropout", ge=0, lt=1)
    edge: int = Field(default=DEFAULT_EDGE, validation_alias="train.edge", ge=16, le=1024, multiple_of=16)
    tta: bool = Field(default=False, validation_alias="train.tta")
