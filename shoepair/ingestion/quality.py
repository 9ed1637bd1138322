"""Image stats of one photo: size, blur, brightness, perceptual hashes; and quality flags.

Stage `validate` computes them while it has the photo open, so that no photo is decoded twice. Blur is scikit-image's
`blur_effect` (Crete and others: "The blur effect", 2007); brightness and contrast are the percentiles that cleanvision
and scikit-image's `is_low_contrast` use.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from shoepair.data.schemas import ImageStats
from shoepair.ingestion import decoding
from shoepair.ingestion.config import ValidateConfig
from shoepair.ingestion.phash import compute_phashes

FLAG_NAMES = ("blurred", "dark", "overexposed", "low_contrast", "tiny")
WHITE_LEVEL = 255


def measure_image_stats(photo: decoding.DecodedPhoto) -> dict[str, Any]:
    """Measure a photo's size, blur, brightness and perceptual hashes; return `ImageStats` columns."""
    grey = np.asarray(Image.fromarray(photo.pixels).convert("L"))
    return measure_quality(photo) | {"phashes": base64.b64encode(compute_phashes(grey).tobytes()).decode()}


def measure_quality(photo: decoding.DecodedPhoto) -> dict[str, Any]:
    """Measure a photo's size, blur and brightness; return the `ImageStats` columns of `photo_paths_by_flag`."""
    from skimage.measure import blur_effect  # imported here: takes a third of a second, and `--help` must not wait

    grey = np.asarray(Image.fromarray(photo.pixels).convert("L"))
    blur: float = blur_effect(grey) if grey.min() < grey.max() else 1.0  # of one colour: nothing in it is sharp
    stats = {"width": photo.original[0], "height": photo.original[1], "blur": round(min(max(blur, 0.0), 1.0), 4)}
    greys = zip((1, 5, 99), np.percentile(grey, [1, 5, 99]) / WHITE_LEVEL, strict=True)
    return stats | {f"grey_{percent}": round(float(value), 4) for percent, value in greys}


def build_image_stats(accepted_photos: pd.DataFrame, stats_by_path: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Build `ImageStats` rows from `AcceptedPhotos` rows and path -> result of `measure_image_stats`."""
    photos = accepted_photos[["path", "student", "pair", "side"]].reset_index(drop=True)
    columns = list(ImageStats.to_schema().columns)[len(photos.columns) :]
    return photos.join(pd.DataFrame([stats_by_path[path] for path in photos["path"]], columns=columns))


def photo_paths_by_flag(image_stats: pd.DataFrame, policy: ValidateConfig, edge: int) -> dict[str, list[str]]:
    """Flag photos of poor quality (blurred, dark, ...); flags exclude no photo.

    Args:
        image_stats: `ImageStats` rows.
        policy: the thresholds.
        edge: of a stored photo, in pixels.

    Returns:
        Flag -> paths, ascending; without flags that no photo has.
    """
    is_flagged = {
        "blurred": image_stats["blur"] >= policy.blurred,
        "dark": image_stats["grey_99"] < policy.dark,
        "overexposed": image_stats["grey_5"] > policy.overexposed,
        "low_contrast": image_stats["grey_99"] - image_stats["grey_1"] < policy.low_contrast,
        "tiny": image_stats[["width", "height"]].min(axis=1) < policy.min_size * edge,
    }
    return {flag: sorted(image_stats["path"][is_flagged[flag]]) for flag in FLAG_NAMES if is_flagged[flag].any()}
