"""Conversion of colours other than 8-bit sRGB: 16 bits, with a profile, transparent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from shoepair.ingestion import color, decoding

RNG = np.random.default_rng(5)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def photo(path: Path, image: Image.Image, encoding: str = "PNG", **options: Any) -> decoding.DecodedPhoto:
    """Write an image and decode it at its original size."""
    image.save(path / "a.png", encoding, **options)
    return decoding.decode_photo(path / "a.png", image.width)


def test_grey_of_16_bits_is_scaled_and_rounded(tmp_path: Path) -> None:
    wide = RNG.integers(0, 65_536, (32, 32)).astype(np.uint16)
    wide[0, :4] = (0, 128, 129, 65_535)
    decoded = photo(tmp_path, Image.fromarray(wide))
    expected = np.rint(wide / 257).astype(np.uint8)
    assert (decoded.pixels == expected[..., None]).all()
    assert decoded.remarks == ()


def test_transparent_pixels_are_blended_with_white_and_remarked(tmp_path: Path) -> None:
    pixels = np.full((32, 32, 4), (200, 100, 0, 255), np.uint8)
    assert photo(tmp_path, Image.fromarray(pixels)).remarks == ()
    pixels[:16, :, 3] = 0
    pixels[16, :, 3] = 51  # a fifth
    decoded = photo(tmp_path, Image.fromarray(pixels))
    assert decoded.remarks == (color.BLENDED_REMARK,)
    assert (decoded.pixels[:16] == 255).all()
    assert np.abs(decoded.pixels[16].astype(int) - (244, 224, 204)).max() <= 1
    assert (decoded.pixels[17:] == (200, 100, 0)).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparent_colour_counts_as_transparency(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (16, 16), 0)
    decoded = photo(tmp_path, image, transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert (decoded.pixels == 255).all()
    assert decoded.remarks == (color.BLENDED_REMARK,)


def test_profile_of_srgb_changes_no_bit(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    decoded = photo(tmp_path, Image.fromarray(pixels), icc_profile=SRGB)
    assert (decoded.pixels == pixels).all()
    assert decoded.remarks == ()


def swapped() -> bytes:
    """Return the sRGB profile with red and green swapped, so that its conversion is obvious."""
    profile = bytearray(SRGB)
    for start in range(132, 132 + 12 * 20, 12):
        name = bytes(profile[start : start + 4])
        if name in {b"rXYZ", b"gXYZ"}:
            profile[start : start + 4] = b"gXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_profile_is_applied(tmp_path: Path) -> None:
    decoded = photo(tmp_path, Image.new("RGB", (16, 16), (255, 0, 0)), icc_profile=swapped())
    assert np.abs(decoded.pixels.astype(int) - (0, 255, 0)).max() <= 2
    assert decoded.remarks == ()


@pytest.mark.parametrize("profile", [b"nonsense", SRGB[:200], LAB])
def test_broken_or_unsuitable_profile_is_ignored_and_remarked(tmp_path: Path, profile: bytes) -> None:
    pixels = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    decoded = photo(tmp_path, Image.fromarray(pixels), icc_profile=profile)
    assert (decoded.pixels == pixels).all()
    assert decoded.remarks == (color.PROFILE_IGNORED_REMARK,)


def test_palette_with_transparency_is_converted_without_a_warning(tmp_path: Path) -> None:
    """Warnings are errors in tests; Pillow warns of such a palette that is converted to RGB at once."""
    pixels = RNG.integers(0, 256, (16, 16, 4), np.uint8)
    image = Image.fromarray(pixels).quantize(64)
    decoded = photo(tmp_path, image)
    opaque = Image.new("RGBA", (16, 16), "white")
    opaque.alpha_composite(image.convert("RGBA"))
    assert np.abs(decoded.pixels.astype(int) - np.asarray(opaque.convert("RGB"))).max() <= 1
    assert decoded.remarks == (color.BLENDED_REMARK,)
