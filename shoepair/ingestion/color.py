"""Any colours that a PNG, JPEG or WebP file can hold -> plain sRGB, opaque, 8 bits a channel.

In this order, since each step needs the one before: 16 bits become 8, a colour profile becomes sRGB, and what is not
fully opaque is laid on white. What was changed beyond the file's own meaning comes back as a remark, to be counted.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

BLENDED = "not fully opaque, laid on white"
UNPROFILED = "colour profile that cannot be used, ignored"
UNFITTING = (ImageCms.PyCMSError, OSError, ValueError, TypeError)  # raised on a broken or unfitting profile
OPAQUE = (255, 255)  # least and greatest alpha of a photo without transparency


def to_srgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """A loaded picture as sRGB.

    Args:
        image: of any mode; a profile is in its `info`.

    Returns:
        The picture in mode RGB, and the remarks: `BLENDED`, `UNPROFILED`. An opaque RGB picture without a profile, or
        with that of sRGB, keeps every bit.
    """
    alpha = _alpha(image)
    rgb, remarks = _without_profile(_eight_bits(image), image.info.get("icc_profile"))
    if alpha is None:
        return rgb, remarks
    opaque = Image.new("RGB", rgb.size, "white")
    opaque.paste(rgb, mask=alpha)
    return opaque, (*remarks, BLENDED)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, scaled and rounded: Pillow itself would cut it off at 255. RGB of 16 bits it reads as 8."""
    if not image.mode.startswith("I"):
        return image
    wide = np.asarray(image).clip(0, 65_535).astype(np.uint32)
    wide *= 255  # in place: of the largest photos each copy takes a quarter of a gigabyte
    wide += 32_767
    wide //= 65_535
    return Image.fromarray(wide.astype(np.uint8))


def _alpha(image: Image.Image) -> Image.Image | None:
    """How opaque each pixel is, also where a palette or a single colour says so; None where all of them are."""
    if not image.has_transparency_data:
        return None
    # No copy that is not needed: of the largest photos each takes a quarter of a gigabyte.
    alpha = (image if image.mode == "RGBA" else image.convert("RGBA")).getchannel("A")
    return None if alpha.getextrema() == OPAQUE else alpha


def _without_profile(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """The colours as sRGB, by the profile if there is one. Alpha is left out."""
    plain = image if image.mode in {"L", "RGB", "CMYK"} else image.convert("L" if image.mode == "LA" else "RGB")
    if not profile:
        return _rgb(plain), ()
    if plain.mode == "RGB" and is_srgb(profile):
        return plain, ()
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(plain, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except UNFITTING:
        return _rgb(plain), (UNPROFILED,)
    return converted or plain, ()


def is_srgb(profile: bytes) -> bool:
    """Whether a colour profile says that it is the one of sRGB."""
    try:
        return "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).lower()
    except UNFITTING:
        return False


def _rgb(image: Image.Image) -> Image.Image:
    """The same picture where it is RGB already, not a copy."""
    return image if image.mode == "RGB" else image.convert("RGB")
