"""What a model on a pretrained network compares of a photo: computed once for all its pairs, and kept as arrays.

The first maps of the network are also those of the shoe detector, if both have the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoepair.data import store
from shoepair.models.pretrained import Description, PretrainedModel

DescribedPhoto = dict[str, NDArray[np.floating[Any]]]  # rows (V, 1, ...) by name; a pipe takes arrays, not tensors


def embed(model: PretrainedModel, pixels: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Return the first maps and the colours of a photo (S, S, 3) and of its mirror image, see `embed_start`."""
    with torch.inference_mode():
        return model.embed_start(torch.from_numpy(store.scale_to_centred_float(pixels[None])).movedim(3, 1))


def describe(model: PretrainedModel, embedded: dict[str, Tensor]) -> DescribedPhoto:
    """Return what the model compares of a photo that `embed` has embedded."""
    with torch.inference_mode():
        return {name: rows.numpy() for name, rows in model.describe_embedded(embedded).items()}


def stack(photos: Sequence[DescribedPhoto]) -> Description:
    """Return descriptions as the model takes them: rows (V, N, ...) by name."""
    return {name: torch.from_numpy(np.concatenate([photo[name] for photo in photos], axis=1)) for name in photos[0]}


def compare(model: PretrainedModel, left: DescribedPhoto, right: DescribedPhoto) -> Tensor:
    """Return the logits of a pair, (1, 2)."""
    with torch.inference_mode():
        return model.compare_described(stack([left]), stack([right]))[0]
