"""Decoding of one photo: format by its bytes, sRGB, upright, opaque, cropped to the central square, resized."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shoepair.data.naming import PhotoError
from shoepair.ingestion.color import convert_to_srgb_with_remarks, is_srgb_profile

# Signature -> decoder. Not Image.open: it loads, and may try, decoders of forty formats.
DECODERS: tuple[tuple[re.Pattern[bytes], Callable[[Path | BinaryIO], Image.Image]], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImageFile),
)
HEIC_SIGNATURE = re.compile(rb"....ftyp(?:he[iv]|mif1|msf1|avi[fs])", re.DOTALL)  # written by phones, not supported
SIGNATURE_BYTES = 12  # at the start of a file, enough to recognise its format
# Limits that keep decoding below 0.35 GB: plain grey or RGB takes 4 bytes a pixel; up to 13 where a copy is needed
# (transparency, a colour profile other than sRGB, 16 bits, CMYK, progressive JPEG); WebP takes 21.
MAX_PIXELS = 64_000_000
MAX_PIXELS_COPIED = 25_000_000
MAX_PIXELS_WEBP = 12_000_000
MIN_EDGE = 16  # pixels: a smaller photo shows nothing of a shoe
MAX_ASPECT_RATIO = 4  # long edge to short: the central square of a longer photo would hold less than a quarter of it
EXIF_ORIENTATION_TAG = 0x0112
TRANSPOSE_BY_ORIENTATION = {  # value of the tag -> transposition that turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class DecodedPhoto:
    """A decoded photo.

    Args:
        pixels: (S, S, 3) uint8: height, width, RGB.
        original: width and height of the image in the file, in pixels.
        remarks: changes that alter the look of the photo, such as `color.BLENDED_REMARK`.
    """

    pixels: NDArray[np.uint8]
    original: tuple[int, int]
    remarks: tuple[str, ...] = ()


def decode_photo(source: Path | BinaryIO, edge: int, max_pixels: int = MAX_PIXELS) -> DecodedPhoto:
    """Decode one photo as sRGB, upright, opaque, cropped to the central square and resized to edge x edge.

    A photo that is already edge x edge is not resampled: its pixels are the decoder's, without the alpha channel.
    All metadata (location, device, thumbnail, comments) are dropped.

    Args:
        source: a PNG, JPEG or WebP file, whatever its extension; or its bytes in memory, positioned at the start.
        edge: S, edge of the square result, in pixels.
        max_pixels: limit for the image in the file; lower limits of its format apply too.

    Raises:
        PhotoError: the file is in another format, damaged, animated, too large, too small or too long.
        OSError: the file is missing, or this machine cannot read it.
    """
    try:
        with _find_decoder(source)(source) as image:
            _check_shape(*image.size, min(max_pixels, _max_pixels_of(image)))
            if getattr(image, "is_animated", False):
                reason = "animated, expected a single picture"
                raise PhotoError(reason)
            image.load()
            # Not ImageOps.exif_transpose: it rewrites the whole EXIF block and fails on invalid entries.
            transpose = TRANSPOSE_BY_ORIENTATION.get(image.getexif().get(EXIF_ORIENTATION_TAG, 1))
            rgb, remarks = convert_to_srgb_with_remarks(image)
    except (MemoryError, Image.DecompressionBombError):  # for WebP, the decoder checks the size before `_check_shape`
        reason = "cannot be decoded (claims more pixels than there is memory for)"
        raise PhotoError(reason) from None
    # Errors of Pillow's decoders on damaged bytes.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        # With an error number it comes from the operating system, not from the photo.
        if isinstance(error, OSError) and error.errno:
            error.filename = error.filename or (str(source) if isinstance(source, Path) else None)
            raise
        reason = f"cannot be decoded ({str(error).rstrip('.') or type(error).__name__})"
        raise PhotoError(reason) from None
    # Resize, then turn: a turned copy of the largest photos would take another quarter of a gigabyte.
    square = rgb if rgb.size == (edge, edge) else ImageOps.fit(rgb, (edge, edge), Image.Resampling.LANCZOS)
    return DecodedPhoto(np.asarray(square if transpose is None else square.transpose(transpose)), rgb.size, remarks)


def _find_decoder(source: Path | BinaryIO) -> Callable[[Path | BinaryIO], Image.Image]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            start = file.read(SIGNATURE_BYTES)
    else:
        start = source.read(SIGNATURE_BYTES)
        source.seek(0)
    for signature, decoder in DECODERS:
        if signature.match(start):
            return decoder
    cause = "not a PNG, JPEG or WebP image" if start else "the file is empty"
    if HEIC_SIGNATURE.match(start):
        cause = "a HEIC or AVIF image, expected PNG, JPEG or WebP: export it as JPEG"
    reason = f"cannot be decoded ({cause})"
    raise PhotoError(reason)


def _max_pixels_of(image: Image.Image) -> int:
    """Return the pixel limit for an image of which only the header was read."""
    if isinstance(image, WebPImageFile):
        return MAX_PIXELS_WEBP
    profile = image.info.get("icc_profile")
    converted = profile and not (image.mode == "RGB" and is_srgb_profile(profile))
    copied = image.has_transparency_data or converted or "progressive" in image.info
    return MAX_PIXELS_COPIED if copied or image.mode not in {"1", "L", "P", "RGB"} else MAX_PIXELS


def _check_shape(width: int, height: int, max_pixels: int) -> None:
    """Raise a PhotoError if the size in the header is too large, too small or too long."""
    short, long = sorted((width, height))
    if width * height > max_pixels:
        expected = f"{max_pixels // 10**6} million at most: scale it down"
    elif short < MIN_EDGE:
        expected = f"{MIN_EDGE} or more on each side"
    elif long > MAX_ASPECT_RATIO * short:
        expected = f"sides of at most {MAX_ASPECT_RATIO} to 1: crop it to the shoe"
    else:
        return
    reason = f"{width} x {height} pixels, expected {expected}"
    raise PhotoError(reason)
