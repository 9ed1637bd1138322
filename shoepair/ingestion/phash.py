"""The fingerprint of a photo: imagehash's `phash` of 256 bits, of the photo, of parts of it and of its mirror image.

(Zauner: "Implementation and benchmarking of perceptual image hash functions", 2010.)

A fingerprint survives another encoding, but a crop only by less than a hundredth of the edge; so a photo gets one for
each of `FRAMES` too. A crop of it then meets, as a whole, the frame that is nearest to what it was cut to. And one for
its mirror image, where a mirrored copy is met. Asking imagehash for each frame takes a tenth of a second and more;
but scaling and cosine transform are both linear, along each axis by itself, so that one matrix for each interval of an
axis does both at once, in a few milliseconds. A test holds the outcome against imagehash.
"""

from __future__ import annotations

import base64
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

SIDE = 16  # of the square of frequencies in a fingerprint
BITS = SIDE * SIDE
SAMPLED = 4 * SIDE  # pixels of an edge that imagehash looks at
STEP, STEPS = 1 / 60, 5  # of an edge, by which frames differ: any crop is then within half of it on either axis
INTERVALS = tuple((start * STEP, 1 - cut * STEP) for cut in range(STEPS + 1) for start in range(cut + 1))
# Parts of a photo, (interval from the left, interval from the top), all squares: first the whole, last small ones.
FRAMES = tuple(
    (left, top)
    for left, (_, width) in enumerate(INTERVALS)
    for top, (_, height) in enumerate(INTERVALS)
    if width == height
)


def fingerprints(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The fingerprints of a photo, (S, S) bytes of grey: (frames + 1, 32) bytes, the last one of its mirror image."""
    edge, matrices = len(grey), _matrices(len(grey))
    axis = matrices.reshape(-1, edge)  # (16 I, S), the intervals one below the other
    every = (axis @ grey.astype(np.float64) @ axis.T).reshape(len(INTERVALS), SIDE, len(INTERVALS), SIDE)
    left, top = np.array(FRAMES).T
    waves = every[top, :, left].reshape(-1, BITS)
    mirrored = matrices[0] @ grey[:, ::-1].astype(np.float64) @ matrices[0].T
    waves = np.concatenate([waves, mirrored.reshape(1, BITS)]).round()  # a plain photo has no frequencies but rests
    return np.packbits(waves > np.median(waves, axis=1, keepdims=True), axis=1)


@cache
def _matrices(edge: int) -> NDArray[np.float64]:
    """(I, 16, edge): what scales each of the `INTERVALS` to 64 pixels and tells the 16 lowest frequencies."""
    from scipy.fft import dct  # here, as above

    waves = dct(np.eye(SAMPLED), axis=0)[:SIDE]  # (16, 64)
    points = Image.fromarray(np.eye(edge, dtype=np.float32))  # a row for each pixel, that one white
    boxes = [(start * edge, 0, (start + length) * edge, edge) for start, length in INTERVALS]
    scales = [np.asarray(points.resize((SAMPLED, edge), Image.Resampling.LANCZOS, box)).T for box in boxes]
    matrices: NDArray[np.float64] = waves @ np.stack(scales).astype(np.float64)
    return matrices


def prints(measured: pd.DataFrame) -> NDArray[np.uint8]:
    """The fingerprints of some photos: (N, frames + 1, 32) bytes."""
    data = b"".join(map(base64.b64decode, measured["prints"]))
    return np.frombuffer(data, np.uint8).reshape(len(measured), len(FRAMES) + 1, BITS // 8)
