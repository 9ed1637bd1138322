"""Where in a photo shoes are, and whether it is one whole shoe, large enough to be compared.

A logistic regression at each of 14 x 14 places gives the probability that a shoe is there, from the pretrained
network's maps of that place. It was fitted to drawn scenes, of which is known where the shoes are
(`benchmarks/shoe_scenes.py`), and knows real shoes as well. What follows from it:

- places whose probability is above `PROBABLE` are shoe; those that are connected by places above `CONNECTED` are of
  one shoe, so that a dark part does not divide it;
- a second shoe of more than a share of the first, or a shoe nearly as wide as long: several shoes;
- much of a shoe at two sides of the photo: it is cut off;
- a short one: it is far away.

Letters: H edge of the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

PROBABLE, CONNECTED = 0.5, 0.2  # probabilities of a place
MAX_SECOND = 0.3  # places of the second largest shoe, to those of the largest
MAX_WIDTH = 0.8  # of a shoe, to its length: two that touch are wider
MIN_LENGTH = 0.43  # of a shoe, to the edge of the photo
PART_MARGIN = 0.3  # around the largest shoe, to the longer side of its box

Map = NDArray[np.floating]


@dataclass(frozen=True)
class ShoeShape:
    """What is seen of the shoes in a photo."""

    second: float  # places of the second largest shoe, to those of the largest
    length: float  # of the largest shoe, to the edge of the photo; 0 without one
    width: float  # to its length
    at_border: float  # probabilities at the two sides of the photo with most, to the root of all
    box: tuple[float, float, float, float]  # of the largest shoe: left, top, right, bottom, to the edge of the photo


def measure_shape(probabilities: Map) -> ShoeShape:
    """Measure the shoes in a map of probabilities, (H, H)."""
    edge = len(probabilities)
    sides = sorted(float(side.sum()) for side in (*probabilities[[0, -1]], *probabilities[:, [0, -1]].T))
    at_border = sum(sides[-2:]) / max(float(probabilities.sum()) ** 0.5, 1e-9)
    labels, count = ndimage.label(probabilities > CONNECTED)
    is_shoe = probabilities > PROBABLE
    sizes = np.bincount(labels[is_shoe], minlength=count + 1)
    if not is_shoe.any():
        return ShoeShape(0.0, 0.0, 0.0, at_border, (0.0, 0.0, 1.0, 1.0))
    first = int(sizes.argmax())
    second = float(np.sort(sizes)[-2] / sizes[first])
    points = np.argwhere(is_shoe & (labels == first))  # (P, 2), row and column
    # An ellipse with the same second moments; a place is a square, with a variance of 1/12.
    variances = np.linalg.eigvalsh(np.cov(points.T, bias=True) + np.eye(2) / 12)
    width, length = 4 * np.sqrt(variances)
    top, left = points.min(axis=0) / edge
    bottom, right = (points.max(axis=0) + 1) / edge
    box = (float(left), float(top), float(right), float(bottom))
    return ShoeShape(second, float(length / edge), float(width / length), at_border, box)


def find_faults(shape: ShoeShape, max_at_border: float) -> tuple[str, ...]:
    """Return the key of `photo_issues.ISSUE_TEXTS` that tells why this is not one whole shoe, or none."""
    if shape.at_border > max_at_border:
        return ("cut_off",)
    if shape.second > MAX_SECOND or shape.width > MAX_WIDTH:
        return ("several_shoes",)
    return ("far_away",) if shape.length < MIN_LENGTH else ()


def crop_largest(pixels: NDArray[np.uint8], shape: ShoeShape) -> NDArray[np.uint8]:
    """Return the square around the largest shoe, (S, S, 3) to (T, T, 3)."""
    edge = len(pixels)
    left, top, right, bottom = (value * edge for value in shape.box)
    size = min(edge, round(max(right - left, bottom - top) * (1 + 2 * PART_MARGIN)))
    x, y = (min(max(0, round((low + high - size) / 2)), edge - size) for low, high in ((left, right), (top, bottom)))
    return pixels[y : y + size, x : x + size]
