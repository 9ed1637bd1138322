"""Perceptual hashes: their frames, what changes them, and the column of the table."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from shoepair.ingestion import phash

EDGE = 64


def grey(seed: int, low: int = 0, high: int = 256) -> NDArray[np.uint8]:
    """Return a photo of eight by eight squares of random brightness, with noise."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(low, high - 8, (8, 8)).repeat(EDGE // 8, 0).repeat(EDGE // 8, 1)
    return (squares + rng.integers(0, 8, (EDGE, EDGE))).astype(np.uint8)


def bits(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the hashes of a photo as (frames + 1, 16, 16) bits."""
    return np.unpackbits(phash.compute_phashes(photo), axis=1).reshape(-1, phash.HASH_SIZE, phash.HASH_SIZE)


def test_frames_are_all_square_crops_on_the_grid_with_the_full_photo_first() -> None:
    assert len(phash.CROP_FRAMES) == sum((cut + 1) ** 2 for cut in range(6))
    parts = [(phash.CROP_INTERVALS[left], phash.CROP_INTERVALS[top]) for left, top in phash.CROP_FRAMES]
    assert parts[0] == ((0, 1), (0, 1))
    assert len(set(parts)) == len(parts)
    for (x, width), (y, height) in parts:
        assert width == height >= 1 - 5.001 / 60
        assert min(x, y) >= 0
        assert max(x, y) + width <= 1 + 1e-12


def test_half_of_the_bits_are_set_and_photos_differ() -> None:
    one, other = phash.compute_phashes(grey(1)), phash.compute_phashes(grey(2))
    assert one.shape == (len(phash.CROP_FRAMES) + 1, 32)
    assert one.dtype == np.uint8
    assert (np.unpackbits(one, axis=1).sum(axis=1) == 128).all()
    assert np.array_equal(one, phash.compute_phashes(grey(1)))
    assert np.unpackbits(one[0] ^ other[0]).sum() > 80


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_brightness_changes_no_bit_and_contrast_nearly_none(seed: int) -> None:
    photo = grey(seed, 10, 110)
    np.testing.assert_array_equal(bits(photo + 60), bits(photo))
    assert (bits(photo * 2) != bits(photo)).sum(axis=(1, 2)).max() <= 2  # frequencies are rounded


def test_last_hash_is_that_of_the_mirror_image() -> None:
    plain, mirrored = bits(grey(4)), bits(np.ascontiguousarray(grey(4)[:, ::-1]))
    np.testing.assert_array_equal(plain[-1], mirrored[0])
    np.testing.assert_array_equal(plain[0], mirrored[-1])
    # Mirroring changes the sign of every other horizontal frequency.
    assert (plain[0][:, 2::2] == mirrored[0][:, 2::2]).mean() > 0.9
    assert (plain[0][:, 1::2] != mirrored[0][:, 1::2]).mean() > 0.9


def test_frame_depends_on_its_crop_and_little_beyond_it() -> None:
    rng = np.random.default_rng(8)
    photo = rng.integers(0, 256, (60, 60)).astype(np.uint8)  # one CROP_STEP is one pixel
    before = bits(photo)[:-1]
    photo[:, 0] = 255 - photo[:, 0]
    changed = (bits(photo)[:-1] != before).any(axis=(1, 2))
    begin = np.array([phash.CROP_INTERVALS[left][0] for left, _ in phash.CROP_FRAMES])
    assert not changed[begin > 3.5 / 60].any()  # Lanczos reaches three pixels beyond the edge of a crop
    assert changed[begin == 0].mean() > 0.9


@pytest.mark.parametrize("edge", [EDGE, 224])
def test_hashes_are_those_of_each_frame_alone(edge: int) -> None:
    matrices = phash._resize_and_dct_matrices(edge)
    photo = np.random.default_rng(edge).integers(0, 256, (edge, edge)).astype(np.uint8)
    spectra = [matrices[top] @ photo.astype(float) @ matrices[left].T for left, top in phash.CROP_FRAMES]
    spectra.append(matrices[0] @ photo[:, ::-1].astype(float) @ matrices[0].T)
    expected = np.stack([spectrum.round() > np.median(spectrum.round()) for spectrum in spectra])
    np.testing.assert_array_equal(bits(photo), expected)


def test_transposed_photo_has_transposed_frames() -> None:
    positions = {frame: position for position, frame in enumerate(phash.CROP_FRAMES)}
    order = [positions[top, left] for left, top in phash.CROP_FRAMES]
    plain = bits(grey(5))[:-1]
    np.testing.assert_array_equal(bits(np.ascontiguousarray(grey(5).T))[:-1], plain[order].transpose(0, 2, 1))


def test_hashes_are_decoded_from_the_column_of_a_table() -> None:
    hashes = [phash.compute_phashes(grey(seed)) for seed in (6, 7)]
    rows = pd.DataFrame({"phashes": [base64.b64encode(item.tobytes()).decode() for item in hashes]}, index=[5, 3])
    np.testing.assert_array_equal(phash.decode_phash_bytes(rows), np.stack(hashes))
    assert phash.decode_phash_bytes(rows[:0]).shape == (0, len(phash.CROP_FRAMES) + 1, 32)
