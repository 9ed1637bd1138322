"""What can be measured of one photo without knowing the others: its light, its sharpness, its fingerprint.

Measured while `validate` has the photo open, so that nothing is decoded for it a second time. The measures are those
of kept libraries: blur is scikit-image's `blur_effect` (Crete and others: "The blur effect", 2007), light and contrast
are the percentiles that cleanvision and scikit-image's `is_low_contrast` judge by, the fingerprint is imagehash's
`phash` of 256 bits (Zauner: "Implementation and benchmarking of perceptual image hash functions", 2010).

A fingerprint survives another encoding, but a crop only by less than a hundredth of the edge; so a photo gets one for
each of `FRAMES` too. A crop of it then meets, as a whole, the frame that is nearest to what it was cut to. And one for
its mirror image, where a mirrored copy is met. Asking imagehash for each frame takes a tenth of a second and more;
but scaling and cosine transform are both linear, along each axis by itself, so that one matrix for each interval of an
axis does both at once, in a few milliseconds. A test holds the outcome against imagehash.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from shoepair import photos
from shoepair.data.schemas import Signs
from shoepair.runtime.params import Validate

FLAGS = ("blurred", "dark", "overexposed", "low_contrast", "tiny")
SIDE = 16  # of the square of frequencies in a fingerprint
BITS = SIDE * SIDE
WHITE = 255
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


def measure(photo: photos.Photo) -> dict[str, Any]:
    """The columns of `Signs` that are measured."""
    grey = np.asarray(Image.fromarray(photo.pixels).convert("L"))
    return quality(photo) | {"prints": base64.b64encode(fingerprints(grey).tobytes()).decode()}


def quality(photo: photos.Photo) -> dict[str, Any]:
    """The columns of `Signs` that `flags` looks at: all that are measured but the fingerprints."""
    from skimage.measure import blur_effect  # here, since it takes a third of a second, and `--help` must not wait

    grey = np.asarray(Image.fromarray(photo.pixels).convert("L"))
    dark, shade, light = (float(value) for value in np.percentile(grey, [1, 5, 99]) / WHITE)
    blur: float = blur_effect(grey) if grey.min() < grey.max() else 1.0  # of one colour: nothing in it is sharp
    return {
        **{"width": photo.original[0], "height": photo.original[1], "blur": round(min(max(blur, 0.0), 1.0), 4)},
        **{"grey_1": round(dark, 4), "grey_5": round(shade, 4), "grey_99": round(light, 4)},
    }


def fingerprints(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The fingerprints of a photo: (frames + 1, 32) bytes, the last one of its mirror image.

    Args:
        grey: (S, S) bytes.
    """
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


def of(accepted: pd.DataFrame, seen: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """What was measured of the accepted photos.

    Args:
        accepted: `Photos` rows.
        seen: path -> what `measure` returned.

    Returns:
        `Signs` rows.
    """
    known = accepted[["path", "student", "pair", "side"]].reset_index(drop=True)
    columns = list(Signs.to_schema().columns)[len(known.columns) :]
    return known.join(pd.DataFrame([seen[path] for path in known["path"]], columns=columns))


def prints(measured: pd.DataFrame) -> NDArray[np.uint8]:
    """The fingerprints of some photos: (N, frames + 1, 32) bytes."""
    data = b"".join(map(base64.b64decode, measured["prints"]))
    return np.frombuffer(data, np.uint8).reshape(len(measured), len(FRAMES) + 1, BITS // 8)


def flags(measured: pd.DataFrame, policy: Validate, edge: int) -> dict[str, list[str]]:
    """The photos that somebody should look at; nobody is excluded for them.

    Args:
        measured: `Signs` rows.
        policy: the thresholds.
        edge: of a photo as it is stored, in pixels.

    Returns:
        Sign -> paths, ascending; no entry for a sign that no photo shows.
    """
    shown = {
        "blurred": measured["blur"] >= policy.blurred,
        "dark": measured["grey_99"] < policy.dark,
        "overexposed": measured["grey_5"] > policy.overexposed,
        "low_contrast": measured["grey_99"] - measured["grey_1"] < policy.low_contrast,
        "tiny": measured[["width", "height"]].min(axis=1) < policy.tiny * edge,
    }
    return {sign: sorted(measured["path"][shown[sign]]) for sign in FLAGS if shown[sign].any()}
