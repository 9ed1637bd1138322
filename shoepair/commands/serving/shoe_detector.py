"""The shoe detector: whether a photo shows one whole shoe, by a network that others trained on ImageNet.

Two numbers speak for a shoe, and the larger one counts, each less its limit:

- the log odds of ImageNet's own classes of shoes, which know real shoes;
- a logistic regression of the network's features, which knows the project's drawn shoes: it was fitted to drawn
  shoes and to drawn pictures of other things.

Whether it is one, whole, and large enough, is told by where shoes are (shoe_mask.py). A photo that shows no shoe as a
whole, but one where a shoe was found, shows it too small.

The weights of the network come with a package, so no project has to be trained; those of the regressions, and the
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
from torch.nn import functional

from shoepair.commands.serving import shoe_mask
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
START = EfficientNetLite.tuned_from  # the depth that models on this network share with the detector

Maps = dict[str, Tensor]


class PretrainedShoeDetector:
    """Finds photos that do not show one whole shoe; a `ShoeDetector`.

    Args:
        fitted: the regression (`weight` (C,), `bias`) and the limits of both numbers (`class_limit`, `drawn_limit`);
            the regression of places (`place_weight` (D,), `place_bias`) and the limit of a shoe at the border of the
            photo (`border_limit`).
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

    def compute_maps(self, photos: NDArray[np.uint8], start: Tensor | None = None) -> Maps:
        """Return the maps of photos by depth: (B, S, S, 3) to (B, C, H, H); from those of depth `START`, if given."""
        with torch.inference_mode():
            if start is None:
                x = torch.from_numpy(store.scale_to_centred_float(photos)).movedim(3, 1)
                start = self._network.maps_from(scale_photos(x, self._network.edge), PHOTOS, START)[START]
            later: Maps = self._network.maps_from(start, START)
            return {START: start} | later

    def shares_start(self, sha256: str, edge: int) -> bool:
        """Whether a model with these weights, for photos of this edge, has the same maps of depth `START`."""
        return sha256 == BUNDLED_WEIGHTS[NETWORK].sha256 and edge == self._network.edge

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

    def place_probabilities(self, maps: Maps) -> NDArray[np.float32]:
        """Return the probability of a shoe at each place: (B, H, H)."""
        log_odds = torch.einsum("bchw,c->bhw", place_features(maps), self._fitted["place_weight"])
        return np.asarray((log_odds + self._fitted["place_bias"]).sigmoid())

    def find_issues(self, pixels: NDArray[np.uint8], start: Tensor | None = None) -> tuple[str, ...]:
        """Return keys of `photo_issues.ISSUE_TEXTS`, at most one; see `ShoeDetector`."""
        maps = self.compute_maps(pixels[None], start)
        shape = shoe_mask.measure_shape(self.place_probabilities(maps)[0])
        faults = shoe_mask.find_faults(shape, float(self._fitted["border_limit"]))
        if self.score(mean_features(maps))[0] > 0:
            return faults
        if not shape.length:
            return ("no_shoe",)
        part = self.compute_maps(shoe_mask.crop_largest(pixels, shape)[None])
        return (faults or ("far_away",)) if self.score(mean_features(part))[0] > 0 else ("no_shoe",)


def mean_features(maps: Maps) -> Tensor:
    """Return the features of photos, the mean of the last maps: (B, C)."""
    return maps["head"].mean(dim=(2, 3))


def place_features(maps: Maps) -> Tensor:
    """Return the features of each place, (B, D, H, H): the maps of two depths, the second one enlarged."""
    near, far = maps[START], maps["stage7"]
    return torch.cat([near, functional.interpolate(far, near.shape[2:], mode="bilinear")], dim=1)


@cache
def load_detector() -> PretrainedShoeDetector:
    """Load the detector, once in a process.

    Raises:
        ShoepairError: the package with the network's weights is missing or damaged.
    """
    content = resources.files("shoepair.commands.serving").joinpath("static", FITTED_FILE).read_bytes()
    return PretrainedShoeDetector(safetensors.torch.load(content))
