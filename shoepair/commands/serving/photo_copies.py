"""Whether two photos are one: the same file, or a copy that was re-encoded, scaled, cropped a little or mirrored.

It happens when one shoe is photographed and its photo chosen twice. The perceptual hashes are those of the class
(ingestion/phash.py): of 60 real photos, changed in ten ways, 599 of 600 copies are within 20 of 256 bits, and the
least distance of two different photos of 113 students is 32.

A second photo of the same shoe is another photo, of which this says nothing: left and right shoes of a class lie
alike, so that a left shoe looks like the right one as much as like another photo of itself. (45 real pairs:
correlation of the photo, turned by up to 20 degrees, minus that of its mirror image, 0.57 in the median, 0.22 to 0.77;
of imitated second photos 0.55, 0.23 to 0.74.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_COPY_DISTANCE = 20  # bits


def count_different_bits(hashes: NDArray[np.uint8], others: NDArray[np.uint8]) -> int:
    """Return the least distance of two photos: hashes of `phash.compute_phashes`, (frames + 1, 32) each."""
    crops = np.concatenate([hashes[:-1] ^ others[0], others[:-1] ^ hashes[0]])
    mirrored = np.concatenate([hashes[:-1] ^ others[-1], others[:-1] ^ hashes[-1]])
    return int(np.bitwise_count(np.concatenate([crops, mirrored])).sum(axis=1).min())


def are_copies(hashes: NDArray[np.uint8], others: NDArray[np.uint8]) -> bool:
    """Whether two photos are one and the same."""
    return count_different_bits(hashes, others) <= MAX_COPY_DISTANCE
