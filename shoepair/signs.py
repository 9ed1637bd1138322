"""What can be measured of one photo without knowing the others: its light, its sharpness, its fingerprint.

Measured while `validate` has the photo open, so that nothing is decoded for it a second time. The measures are those
of kept libraries: blur is scikit-image's `blur_effect` (Crete and others: "The blur effect", 2007), light and contrast
are the percentiles that cleanvision and scikit-image's `is_low_contrast` judge by, the fingerprint is imagehash's
`phash` of 256 bits (Zauner: "Implementation and benchmarking of perceptual image hash functions", 2010).

A fingerprint survives another encoding, but not a crop; so a photo gets one for each of `FRAMES` too. A crop of it
then meets, as a whole, the frame it was cut to. And one for its mirror image, where a mirrored copy is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.typing import Series
from PIL import Image, ImageOps

from shoepair import photos
from shoepair.params import Validate
from shoepair.table import Schema

FLAGS = ("blurred", "dark", "overexposed", "low_contrast", "tiny")
SIDE = 16  # of the square of frequencies in a fingerprint
BITS = SIDE * SIDE
WHITE = 255
# Parts of a photo, (left, top, edge) as shares of its edge: first the whole, last what small crops leave of it.
FRAMES = (
    (0.0, 0.0, 1.0),
    *((margin, margin, 1 - 2 * margin) for margin in (0.015, 0.03)),
    *((left, top, 0.95) for left in (0.0, 0.025, 0.05) for top in (0.0, 0.025, 0.05)),
)


class Signs(Schema):
    """One row per accepted photo, in the order of `Photos`."""

    path: Series[str] = pa.Field(unique=True)
    student: Series[str]
    pair: Series[int] = pa.Field(isin=photos.PAIRS)
    side: Series[str] = pa.Field(isin=photos.SIDES)
    width: Series[int] = pa.Field(gt=0)  # of the picture in the file, in pixels
    height: Series[int] = pa.Field(gt=0)
    blur: Series[float] = pa.Field(ge=0, le=1)  # 0 sharp, 1 blurred
    grey_1: Series[float] = pa.Field(ge=0, le=1)  # percentiles of brightness, 0 black, 1 white
    grey_5: Series[float] = pa.Field(ge=0, le=1)
    grey_99: Series[float] = pa.Field(ge=0, le=1)
    prints: Series[str]  # hexadecimal, 64 digits each: of the FRAMES, then of the mirror image


def measure(photo: photos.Photo) -> dict[str, Any]:
    """The columns of `Signs` that are measured."""
    picture = Image.fromarray(photo.pixels).convert("L")
    prints = [*(_print(picture, frame) for frame in FRAMES), _print(ImageOps.mirror(picture), FRAMES[0])]
    return quality(photo) | {"prints": "".join(prints)}


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


def _print(picture: Image.Image, frame: tuple[float, float, float]) -> str:
    """The fingerprint of a part of a picture, 64 hexadecimal digits."""
    from imagehash import phash  # here, as above

    left, top, edge = (share * picture.width for share in frame)
    box = (left, top, left + edge, top + edge)
    # imagehash looks at four times as many pixels as frequencies on each axis; so scaled, it takes them as they are.
    part = picture.resize((4 * SIDE, 4 * SIDE), Image.Resampling.LANCZOS, box)
    return np.packbits(phash(part, hash_size=SIDE).hash).tobytes().hex()


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
    digits = bytes.fromhex("".join(measured["prints"]))
    return np.frombuffer(digits, np.uint8).reshape(len(measured), len(FRAMES) + 1, BITS // 8)


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
