"""Perceptual hashes: imagehash's 256-bit `phash` of a photo, of crops of it and of its mirror image.

(Zauner: "Implementation and benchmarking of perceptual image hash functions", 2010.)

A hash is robust to re-encoding, but only to crops of less than a hundredth of the edge. So every crop in `CROP_FRAMES`
is hashed too: the hash of a cropped copy is near the hash of the most similar frame. The hash of the mirror image
finds mirrored copies. Calling imagehash for each frame takes a tenth of a second or more. Resizing and cosine
transform are both linear and separable, so one matrix for each interval of an axis does both, in a few milliseconds.
A test compares the hashes with imagehash's.
"""

from __future__ import annotations

import binascii
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from shoepair.runtime.errors import ShoepairError

HASH_SIZE = 16  # frequencies along each axis
HASH_BITS = HASH_SIZE * HASH_SIZE
DCT_INPUT_SIZE = 4 * HASH_SIZE  # edge that imagehash resizes to, in pixels
# Frames differ by this share of the edge: any crop is within half of it, along each axis.
CROP_STEP, CROP_STEPS = 1 / 60, 5
# (start, length), as shares of the edge.
CROP_INTERVALS = tuple(
    (start * CROP_STEP, 1 - cut * CROP_STEP) for cut in range(CROP_STEPS + 1) for start in range(cut + 1)
)
# Square crops, as indices of (horizontal interval, vertical interval), the full photo first.
CROP_FRAMES = tuple(
    (left, top)
    for left, (_, width) in enumerate(CROP_INTERVALS)
    for top, (_, height) in enumerate(CROP_INTERVALS)
    if width == height
)
MIRRORING = np.tile([1.0, -1.0], HASH_BITS // 2)  # a mirrored cosine of odd frequency has the other sign


def compute_phashes(grey_pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Compute the hashes of a grey photo: (S, S) uint8 to (frames + 1, 32) uint8, that of the mirror image last."""
    matrices = _resize_and_dct_matrices(len(grey_pixels))
    edge = matrices.shape[-1]
    vertical = matrices.reshape(-1, edge) @ grey_pixels.astype(
        np.float64
    )  # (16 I, S), the intervals one below the other
    vertical = vertical.reshape(matrices.shape)
    spectra = []
    for cut in range(CROP_STEPS + 1):  # frames are square: intervals meet those of the same length
        count, first = cut + 1, cut * (cut + 1) // 2
        part = slice(first, first + count)
        spectrum = vertical[part].reshape(-1, edge) @ matrices[part].reshape(-1, edge).T
        frames = spectrum.reshape(count, HASH_SIZE, count, HASH_SIZE).transpose(2, 0, 1, 3)  # left, top, frequencies
        spectra.append(frames.reshape(-1, HASH_BITS))
    spectra.append(spectra[0] * MIRRORING)
    # Rounded: a uniform photo has frequencies other than 0 by rounding errors only.
    rounded = np.concatenate(spectra).round()
    # Above the lower of the two middle values is above the median.
    return np.packbits(rounded > np.partition(rounded, HASH_BITS // 2 - 1)[:, HASH_BITS // 2 - 1, None], axis=1)


@cache
def _resize_and_dct_matrices(edge: int) -> NDArray[np.float64]:
    """Return (I, 16, edge) matrices: each resizes one of `CROP_INTERVALS` to 64 pixels and takes 16 frequencies."""
    from scipy.fft import dct  # imported here: slow to load

    cosines = dct(np.eye(DCT_INPUT_SIZE), axis=0)[:HASH_SIZE]  # (16, 64)
    pixels = Image.fromarray(np.eye(edge, dtype=np.float32))  # a row for each pixel, that one white
    boxes = [(start * edge, 0, (start + length) * edge, edge) for start, length in CROP_INTERVALS]
    resizing = [np.asarray(pixels.resize((DCT_INPUT_SIZE, edge), Image.Resampling.LANCZOS, box)).T for box in boxes]
    matrices: NDArray[np.float64] = cosines @ np.stack(resizing).astype(np.float64)
    return matrices


def decode_phash_bytes(image_stats: pd.DataFrame) -> NDArray[np.uint8]:
    """Decode the base64 hash column of N `ImageStats` rows: (N, frames + 1, 32) uint8.

    Raises:
        ShoepairError: a text is not the hashes of one photo.
    """
    decoded = np.empty((len(image_stats), len(CROP_FRAMES) + 1, HASH_BITS // 8), np.uint8)
    for number, text in enumerate(image_stats["phashes"].tolist()):
        try:
            decoded[number].data.cast("B")[:] = binascii.a2b_base64(text, strict_mode=True)
        except ValueError:  # of binascii, of a text that is not ASCII, or of another length
            message = f"data/image_stats: {image_stats['path'].iloc[number]} has no valid hashes"
            raise ShoepairError(message, fix="delete the table and run `dvc repro`, which rebuilds it") from None
    return decoded
