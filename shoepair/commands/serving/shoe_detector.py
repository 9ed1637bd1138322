"""The shoe detector: whether a photo shows a shoe, by a network that others trained on ImageNet.

Two numbers speak for a shoe, and the larger one counts, each less its limit:

- the log odds of ImageNet's own classes of shoes, which know real shoes;
- a logistic regression of the network's features, which knows the project's drawn shoes: it was fitted to drawn
  shoes and to drawn pictures of other things.

The weights of the network come with a package, so no project has to be trained; those of the regression, and the
limits, are a file beside this module that `python -m benchmarks.shoe_detector --fit` writes. The same command measures
the detector; benchmarks/README.md has the figures.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoepair.data import store
from shoepair.models import pretrained_weights
from shoepair.models.backbone import PHOTOS, scale_photos
from shoepair.models.config import PretrainedConfig
from shoepair.models.efficientnet import EfficientNetLite
from shoepair.models.pretrained_weights import BUNDLED, BUNDLED_WEIGHTS, CLASSES_OF_IMAGENET

NETWORK = "efficientnet_lite0"
SHOE_CLASSES = (502, 514, 630, 770, 774)  # of ImageNet: clog, cowboy boot, loafer, running shoe, sandal
MIN_EDGE = 128  # of a prepared photo, in pixels: on smaller ones ImageNet's classes are not told
FITTED_FILE = "shoe_detector.safetensors"


class PretrainedShoeDetector:
    """Finds photos that show no shoe; a `ShoeDetector`.

    Args:
        fitted: the regression (`weight` (C,), `bias`) and the limits of both numbers (`class_limit`, `drawn_limit`).
    """

    def __init__(self, fitted: dict[str, Tensor]) -> None:
        weights = pretrained_weights.read_all_weights(
            PretrainedConfig(weights=f"{BUNDLED}{NETWORK}", sha256=BUNDLED_WEIGHTS[NETWORK].sha256)
        )
        self._classes = weights.pop(f"{CLASSES_OF_IMAGENET}weight"), weights.pop(f"{CLASSES_OF_IMAGENET}bias")
        network = EfficientNetLite(EfficientNetLite.read_sizes(weights))
        pretrained_weights.load_into(network, weights, NETWORK)
        network.eval().merge_norms()
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._fitted = fitted

    def describe(self, photos: NDArray[np.uint8]) -> Tensor:
        """Return the features of photos, the mean of the last maps: (B, S, S, 3) to (B, C)."""
        with torch.inference_mode():
            x = torch.from_numpy(store.scale_to_centred_float(photos)).movedim(3, 1)
            maps = self._network.maps_from(scale_photos(x, self._network.edge), PHOTOS)
            features: Tensor = maps["head"].mean(dim=(2, 3))
            return features

    def class_log_odds(self, features: Tensor) -> Tensor:
        """Return the log odds of ImageNet's shoes: (B, C) to (B,)."""
        weight, bias = self._classes
        logits = features @ weight.T + bias
        is_shoe = torch.zeros(logits.shape[1], dtype=torch.bool)
        is_shoe[list(SHOE_CLASSES)] = True
        return logits[:, is_shoe].logsumexp(dim=1) - logits[:, ~is_shoe].logsumexp(dim=1)

    def drawn_log_odds(self, features: Tensor) -> Tensor:
        """Return the log odds of the regression: (B, C) to (B,). Roots, so that no feature outweighs the others."""
        return features.sqrt() @ self._fitted["weight"] + self._fitted["bias"]

    def score(self, features: Tensor) -> Tensor:
        """Return how much speaks for a shoe, above 0 where there is one: (B, C) to (B,)."""
        known = self.class_log_odds(features) - self._fitted["class_limit"]
        drawn = self.drawn_log_odds(features) - self._fitted["drawn_limit"]
        return torch.maximum(known, drawn)

    def find_issues(self, pixels: NDArray[np.uint8]) -> tuple[str, ...]:
        """Return the keys of `photo_issues.ISSUE_TEXTS` for a prepared photo, (S, S, 3)."""
        return () if self.score(self.describe(pixels[None]))[0] > 0 else ("no_shoe",)


@cache
def load_detector() -> PretrainedShoeDetector:
    """Load the detector, once in a process.

    Raises:
        ShoepairError: the package with the network's weights is missing or damaged.
    """
    content = resources.files("shoepair.commands.serving").joinpath("static", FITTED_FILE).read_bytes()
    return PretrainedShoeDetector(safetensors.torch.load(content))
