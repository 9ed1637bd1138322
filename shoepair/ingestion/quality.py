"""Image stats of one photo: size, blur, brightness, perceptual hashes; and quality flags.

Stage `validate` computes them while it has the photo open, so that no photo is decoded twice. Blur is the measure of
scikit-image's `blur_effect` (Crete and others: "The blur effect", 2007); brightness and contrast are the percentiles
that cleanvision and scikit-image's `is_low_contrast` use.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from shoepair.data.schemas import ImageStats
from shoepair.ingestion import decoding
from shoepair.ingestion.config import ValidateConfig
from shoepair.ingestion.phash import compute_phashes

FLAG_NAMES = ("blurred", "dark", "overexposed", "low_contrast", "tiny")
WHITE_LEVEL = 255
GREY_PERCENTS = (1, 5, 99)
BLUR_LENGTH = 11  # pixels of the blur that is compared with


def measure_image_stats(photo: decoding.DecodedPhoto) -> dict[str, Any]:
    """Measure a photo's size, blur, brightness and perceptual hashes; return `ImageStats` columns."""
    return measure_quality(photo) | {"phashes": base64.b64encode(compute_phashes(photo.grey).tobytes()).decode()}


def measure_quality(photo: decoding.DecodedPhoto) -> dict[str, Any]:
    """Measure a photo's size, blur and brightness; return the `ImageStats` columns of `photo_paths_by_flag`."""
    stats = {"width": photo.original[0], "height": photo.original[1], "blur": round(measure_blur(photo.grey), 4)}
    greys = zip(GREY_PERCENTS, _find_percentiles(photo.grey) / WHITE_LEVEL, strict=True)
    return stats | {f"grey_{percent}": round(float(value), 4) for percent, value in greys}


def measure_blur(grey: NDArray[np.uint8]) -> float:
    """Return how little of the edges along either axis another blur removes: 0 sharp to 1 blurred.

    It is `skimage.measure.blur_effect`, in whole numbers: the blur is a mean of 11 pixels, of which Sobel's filter
    takes a difference, so it is the difference of two pixels at each end. Nothing in a photo of one colour is sharp.
    """
    levels = grey.astype(np.int16)
    return max(_measure_blur_of_rows(levels), _measure_blur_of_rows(np.ascontiguousarray(levels.T)))


def _measure_blur_of_rows(levels: NDArray[np.int16]) -> float:
    """Return the blur along the first axis, without the outermost pixels, as skimage does."""
    smooth = levels[:, 1:-2] + 2 * levels[:, 2:-1] + levels[:, 3:]
    edges = np.abs(smooth[3:] - smooth[1:-2])
    mirrored = np.concatenate([smooth[3::-1], smooth, smooth[:-6:-1]])  # 4 rows before the first, 5 behind the last
    two_rows = mirrored[1:] + mirrored[:-1]
    blurred_edges = np.abs(two_rows[BLUR_LENGTH:] - two_rows[:-BLUR_LENGTH])  # times 11
    total = BLUR_LENGTH * int(edges.sum())
    return int(np.minimum(BLUR_LENGTH * edges, blurred_edges).sum()) / total if total else 1.0


def _find_percentiles(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return `np.percentile(grey, GREY_PERCENTS)`, by counting the pixels of each grey instead of sorting them."""
    ends = np.cumsum(Image.fromarray(grey).histogram())
    positions = np.array(GREY_PERCENTS) / 100 * (grey.size - 1)
    before = np.floor(positions)
    low, high = (np.searchsorted(ends, place, side="right") for place in (before, before + 1))
    return low + (high - low) * (positions - before)


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
