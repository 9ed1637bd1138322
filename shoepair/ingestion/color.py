"""Colour conversion: the colours of any photo to opaque 8-bit sRGB.

Each step needs the one before: convert 16 bits to 8, apply the colour profile, blend transparent pixels with white.
Changes that alter the look of the photo are returned as remarks and counted.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

BLENDED_REMARK = "not fully opaque, laid on white"
PROFILE_IGNORED_REMARK = "colour profile that cannot be used, ignored"
PROFILE_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)  # of a broken or unsuitable profile
SRGB_TOLERANCE = 3  # of 255: sRGB profiles differ in the digits of their curve and primaries
PROFILE_SPACE = slice(16, 20)  # bytes of a profile: the kind of colours that it is for
OPAQUE_ALPHA_RANGE = (255, 255)  # least and greatest alpha of a photo without transparency


def convert_to_srgb_with_remarks(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert a loaded image to opaque 8-bit sRGB.

    Args:
        image: of any mode.
        profile: ICC profile of its colours; None for sRGB.

    Returns:
        The image in mode RGB, and remarks: `BLENDED_REMARK`, `PROFILE_IGNORED_REMARK`. An opaque RGB image without a
        profile, or with an sRGB profile, keeps every bit.
    """
    alpha = _get_alpha(image)
    rgb, remarks = _apply_profile(_to_eight_bits(image), profile)
    if alpha is None:
        return rgb, remarks
    opaque = Image.new("RGB", rgb.size, "white")
    opaque.paste(rgb, mask=alpha)
    return opaque, (*remarks, BLENDED_REMARK)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits, rounded: Pillow would clip it at 255. Pillow reads 16-bit RGB as 8-bit."""
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA")  # converted to RGB at once, Pillow warns
    if not image.mode.startswith("I"):
        return image
    wide = np.asarray(image).clip(0, 65_535).astype(np.uint32)
    wide *= 255  # in place: each copy of the largest photos takes a quarter of a gigabyte
    wide += 32_767
    wide //= 65_535
    return Image.fromarray(wide.astype(np.uint8))


def _get_alpha(image: Image.Image) -> Image.Image | None:
    """Return the alpha channel, also of a palette or a transparent colour; None if every pixel is opaque."""
    if not image.has_transparency_data:
        return None
    # Avoid copies: each copy of the largest photos takes a quarter of a gigabyte.
    alpha = (image if image.mode == "RGBA" else image.convert("RGBA")).getchannel("A")
    return None if alpha.getextrema() == OPAQUE_ALPHA_RANGE else alpha


def _apply_profile(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert colours to sRGB, with the ICC profile if there is one, and drop alpha; return remarks too."""
    plain = image if image.mode in {"L", "RGB", "CMYK"} else image.convert("L" if image.mode == "LA" else "RGB")
    if not profile:
        return _to_rgb(plain), ()
    if plain.mode == "L" and profile[PROFILE_SPACE] == b"RGB ":
        plain = plain.convert("RGB")
    if plain.mode == "RGB" and is_srgb_profile(profile):
        return plain, ()
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(plain, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except PROFILE_ERRORS:
        return _to_rgb(plain), (PROFILE_IGNORED_REMARK,)
    return converted or plain, ()


@lru_cache(maxsize=64)
def is_srgb_profile(profile: bytes) -> bool:
    """Whether an ICC colour profile calls itself sRGB, and is: linear and other ones are called so too."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" not in ImageCms.getProfileDescription(source).lower():
            return False
        probe = _make_probe()
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(probe, source, ImageCms.createProfile("sRGB"), intent, outputMode="RGB")
    except PROFILE_ERRORS:
        return False
    differences = np.asarray(converted).astype(int) - np.asarray(probe)
    return int(np.abs(differences).max()) <= SRGB_TOLERANCE


def _make_probe() -> Image.Image:
    """Return an image of all greys, all shades of each primary, and a lattice of colours."""
    shades = np.arange(256, dtype=np.uint8)
    masks = np.array([(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.uint8)
    single = [shades[:, None] * mask for mask in masks]
    lattice = np.stack(np.meshgrid(*[shades[::17]] * 3, indexing="ij"), -1).reshape(-1, 3)
    return Image.fromarray(np.concatenate([*single, lattice])[None])


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to RGB; return the image itself, not a copy, if it is RGB."""
    return image if image.mode == "RGB" else image.convert("RGB")
