"""What can be measured of one photo without knowing the others: its light, its sharpness, its fingerprint.

Measured while `validate` has the photo open, so that nothing is decoded for it a second time. Blur is scikit-image's
`blur_effect` (Crete and others: "The blur effect", 2007); light and contrast are the percentiles that cleanvision and
scikit-image's `is_low_contrast` judge by.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from shoepair.data.schemas import Signs
from shoepair.ingestion import decode
from shoepair.ingestion.config import Validate
from shoepair.ingestion.phash import fingerprints

FLAGS = ("blurred", "dark", "overexposed", "low_contrast", "tiny")
WHITE = 255


def measure(photo: decode.Photo) -> dict[str, Any]:
    """The columns of `Signs` that are measured."""
    grey = np.asarray(Image.fromarray(photo.pixels).convert("L"))
    return quality(photo) | {"prints": base64.b64encode(fingerprints(grey).tobytes()).decode()}


def quality(photo: decode.Photo) -> dict[str, Any]:
    """The columns of `Signs` that `flags` looks at: all that are measured but the fingerprints."""
    from skimage.measure import blur_effect  # here, since it takes a third of a second, and `--help` must not wait

    grey = np.asarray(Image.fromarray(photo.pixels).convert("L"))
    blur: float = blur_effect(grey) if grey.min() < grey.max() else 1.0  # of one colour: nothing in it is sharp
    seen = {"width": photo.original[0], "height": photo.original[1], "blur": round(min(max(blur, 0.0), 1.0), 4)}
    light = np.percentile(grey, [1, 5, 99]) / WHITE
    return seen | {f"grey_{percent}": round(float(value), 4) for percent, value in zip((1, 5, 99), light, strict=True)}


def of(accepted: pd.DataFrame, seen: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The `Signs` rows of the accepted photos (`Photos` rows), from path -> what `measure` returned."""
    known = accepted[["path", "student", "pair", "side"]].reset_index(drop=True)
    columns = list(Signs.to_schema().columns)[len(known.columns) :]
    return known.join(pd.DataFrame([seen[path] for path in known["path"]], columns=columns))


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
