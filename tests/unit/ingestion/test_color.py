"""What becomes of colours that are not plain sRGB: of 16 bits, with a profile, transparent; and of everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from shoepair.ingestion import color, decode

RNG = np.random.default_rng(5)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def photo(path: Path, image: Image.Image, encoding: str = "PNG", **options: Any) -> decode.Photo:
    """A picture, written and decoded at its own size."""
    image.save(path / "a.png", encoding, **options)
    return decode.decode_photo(path / "a.png", image.width)


def test_grey_of_16_bits_is_scaled_and_rounded(tmp_path: Path) -> None:
    wide = RNG.integers(0, 65_536, (32, 32)).astype(np.uint16)
    wide[0, :4] = (0, 128, 129, 65_535)
    got = photo(tmp_path, Image.fromarray(wide))
    wanted = np.rint(wide / 257).astype(np.uint8)
    assert (got.pixels == wanted[..., None]).all()
    assert got.remarks == ()


def test_what_is_not_opaque_is_laid_on_white_and_remarked(tmp_path: Path) -> None:
    pixels = np.full((32, 32, 4), (200, 100, 0, 255), np.uint8)
    assert photo(tmp_path, Image.fromarray(pixels)).remarks == ()
    pixels[:16, :, 3] = 0
    pixels[16, :, 3] = 51  # a fifth
    got = photo(tmp_path, Image.fromarray(pixels))
    assert got.remarks == (color.BLENDED,)
    assert (got.pixels[:16] == 255).all()
    assert np.abs(got.pixels[16].astype(int) - (244, 224, 204)).max() <= 1
    assert (got.pixels[17:] == (200, 100, 0)).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparent_colour_counts_as_transparency(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (16, 16), 0)
    got = photo(tmp_path, image, transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert (got.pixels == 255).all()
    assert got.remarks == (color.BLENDED,)


def test_profile_of_srgb_changes_no_bit(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    got = photo(tmp_path, Image.fromarray(pixels), icc_profile=SRGB)
    assert (got.pixels == pixels).all()
    assert got.remarks == ()


def swapped() -> bytes:
    """A profile whose red and green are those of sRGB, exchanged: a conversion that nobody overlooks."""
    profile = bytearray(SRGB)
    for place in range(132, 132 + 12 * 20, 12):
        name = bytes(profile[place : place + 4])
        if name in {b"rXYZ", b"gXYZ"}:
            profile[place : place + 4] = b"gXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_profile_is_applied(tmp_path: Path) -> None:
    got = photo(tmp_path, Image.new("RGB", (16, 16), (255, 0, 0)), icc_profile=swapped())
    assert np.abs(got.pixels.astype(int) - (0, 255, 0)).max() <= 2
    assert got.remarks == ()


@pytest.mark.parametrize("profile", [b"nonsense", SRGB[:200], LAB])
def test_profile_that_is_broken_or_does_not_fit_is_ignored_and_remarked(tmp_path: Path, profile: bytes) -> None:
    pixels = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    got = photo(tmp_path, Image.fromarray(pixels), icc_profile=profile)
    assert (got.pixels == pixels).all()
    assert got.remarks == (color.UNPROFILED,)
