"""Fingerprints: what changes them and what does not, and how a table keeps them."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from shoepair.ingestion import phash

EDGE = 64


def grey(seed: int, low: int = 0, high: int = 256) -> NDArray[np.uint8]:
    """A photo of eight by eight squares of their own brightness, with noise upon it."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(low, high - 8, (8, 8)).repeat(EDGE // 8, 0).repeat(EDGE // 8, 1)
    return (squares + rng.integers(0, 8, (EDGE, EDGE))).astype(np.uint8)


def bits(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(frames + 1, 16, 16) bits."""
    return np.unpackbits(phash.fingerprints(photo), axis=1).reshape(-1, phash.SIDE, phash.SIDE)


def test_there_is_a_frame_for_every_square_part_on_the_grid_and_the_whole_comes_first() -> None:
    assert len(phash.FRAMES) == sum((cut + 1) ** 2 for cut in range(6))
    parts = [(phash.INTERVALS[left], phash.INTERVALS[top]) for left, top in phash.FRAMES]
    assert parts[0] == ((0, 1), (0, 1))
    assert len(set(parts)) == len(parts)
    for (x, width), (y, height) in parts:
        assert width == height >= 1 - 5.001 / 60
        assert min(x, y) >= 0
        assert max(x, y) + width <= 1 + 1e-12


def test_every_fingerprint_is_half_of_it_set_and_each_photo_has_its_own() -> None:
    one, other = phash.fingerprints(grey(1)), phash.fingerprints(grey(2))
    assert one.shape == (len(phash.FRAMES) + 1, 32)
    assert one.dtype == np.uint8
    assert (np.unpackbits(one, axis=1).sum(axis=1) == 128).all()
    assert np.array_equal(one, phash.fingerprints(grey(1)))
    assert np.unpackbits(one[0] ^ other[0]).sum() > 80


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_more_light_changes_no_bit_and_more_contrast_nearly_none(seed: int) -> None:
    photo = grey(seed, 10, 110)
    np.testing.assert_array_equal(bits(photo + 60), bits(photo))
    assert (bits(photo * 2) != bits(photo)).sum(axis=(1, 2)).max() <= 2  # a frequency is rounded


def test_last_one_is_that_of_the_mirror_image() -> None:
    found, mirrored = bits(grey(4)), bits(np.ascontiguousarray(grey(4)[:, ::-1]))
    np.testing.assert_array_equal(found[-1], mirrored[0])
    np.testing.assert_array_equal(found[0], mirrored[-1])
    # In a mirror, every other frequency across changes its sign.
    assert (found[0][:, 2::2] == mirrored[0][:, 2::2]).mean() > 0.9
    assert (found[0][:, 1::2] != mirrored[0][:, 1::2]).mean() > 0.9


def test_frame_sees_its_own_part_of_the_photo_and_little_beside_it() -> None:
    rng = np.random.default_rng(8)
    photo = rng.integers(0, 256, (60, 60)).astype(np.uint8)  # a step of the frames is a pixel
    before = bits(photo)[:-1]
    photo[:, 0] = 255 - photo[:, 0]
    changed = (bits(photo)[:-1] != before).any(axis=(1, 2))
    begin = np.array([phash.INTERVALS[left][0] for left, _ in phash.FRAMES])
    assert not changed[begin > 3.5 / 60].any()  # Lanczos looks three pixels beyond the edge of a part
    assert changed[begin == 0].mean() > 0.9


def test_photo_turned_about_its_diagonal_has_the_frames_turned() -> None:
    turned = {frame: place for place, frame in enumerate(phash.FRAMES)}
    order = [turned[top, left] for left, top in phash.FRAMES]
    found = bits(grey(5))[:-1]
    np.testing.assert_array_equal(bits(np.ascontiguousarray(grey(5).T))[:-1], found[order].transpose(0, 2, 1))


def test_fingerprints_come_back_from_the_texts_of_a_table() -> None:
    known = [phash.fingerprints(grey(seed)) for seed in (6, 7)]
    rows = pd.DataFrame({"prints": [base64.b64encode(each.tobytes()).decode() for each in known]}, index=[5, 3])
    np.testing.assert_array_equal(phash.prints(rows), np.stack(known))
    assert phash.prints(rows[:0]).shape == (0, len(phash.FRAMES) + 1, 32)
