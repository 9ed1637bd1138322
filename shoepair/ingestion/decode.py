"""Decode one photo: format by its bytes, sRGB, upright, opaque, cropped to the middle square, scaled."""

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
from shoepair.ingestion.color import is_srgb, to_srgb

# What a file begins with -> what decodes it. Not Image.open: it would load, and could ask, decoders of forty formats.
FORMATS: tuple[tuple[re.Pattern[bytes], Callable[[Path | BinaryIO], Image.Image]], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImageFile),
)
HEIC = re.compile(rb"....ftyp(?:he[iv]|mif1|msf1|avi[fs])", re.DOTALL)  # what phones write, and nobody decodes here
MAGIC = 12  # bytes that tell the format
# That a photo may have, so that decoding it takes less than 0.35 GB: plain grey or RGB takes 4 bytes a pixel; where a
# copy must be made (transparency, another colour profile than sRGB's, 16 bits, CMYK, a progressive JPEG) up to 13;
# WebP 21.
PIXELS = 64_000_000
PIXELS_COPIED = 25_000_000
PIXELS_WEBP = 12_000_000
SMALLEST = 16  # pixels of an edge: below, nothing of a shoe is left to see
ASPECT = 4  # long edge to short: the middle square of a longer strip would hold less than a quarter of it
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {  # its value -> what turns the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Photo:
    """One photo, prepared.

    Args:
        pixels: (S, S, 3) bytes: height, width, RGB.
        original: width and height of the picture in the file, in pixels.
        remarks: what had to be changed beyond the file's own meaning, such as `color.BLENDED`.
    """

    pixels: NDArray[np.uint8]
    original: tuple[int, int]
    remarks: tuple[str, ...] = ()


def decode_photo(source: Path | BinaryIO, edge: int, most: int = PIXELS) -> Photo:
    """Decode one photo as sRGB, upright, opaque, cropped to the middle square and scaled.

    A photo that is already edge x edge is not resampled: its pixels are the decoder's, without the alpha channel.
    Of what else the file holds (place, device, thumbnail, comments) nothing comes out.

    Args:
        source: a PNG, JPEG or WebP file, whatever its extension; or its bytes in memory, to be read from the start.
        edge: S, of the square result, in pixels.
        most: pixels that the picture in the file may have.

    Raises:
        PhotoError: the file is not one of these formats, is damaged, animated, too large, too small or too long.
        OSError: there is no such file, or this machine cannot read it.
    """
    try:
        with _decoder(source)(source) as image:
            _refuse_shape(*image.size, min(most, _affordable(image)))
            if getattr(image, "is_animated", False):
                reason = "animated, expected a single picture"
                raise PhotoError(reason)
            image.load()
            # Not ImageOps.exif_transpose: it writes all of the EXIF block anew and fails on odd entries of it.
            turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
            rgb, remarks = to_srgb(image)
    except (MemoryError, Image.DecompressionBombError):  # the decoder's own look at the size comes first for WebP
        reason = "cannot be decoded (claims more pixels than there is memory for)"
        raise PhotoError(reason) from None
    # What Pillow's decoders raise on damaged bytes.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        # The system's word, with a number: of this machine or its disk, not of the photo.
        if isinstance(error, OSError) and error.errno:
            error.filename = error.filename or (str(source) if isinstance(source, Path) else None)
            raise
        reason = f"cannot be decoded ({str(error).rstrip('.') or type(error).__name__})"
        raise PhotoError(reason) from None
    # Turned when it is small: a turned copy of the largest photos would take another quarter of a gigabyte.
    small = rgb if rgb.size == (edge, edge) else ImageOps.fit(rgb, (edge, edge), Image.Resampling.LANCZOS)
    return Photo(np.asarray(small if turn is None else small.transpose(turn)), rgb.size, remarks)


def _decoder(source: Path | BinaryIO) -> Callable[[Path | BinaryIO], Image.Image]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            start = file.read(MAGIC)
    else:
        start = source.read(MAGIC)
        source.seek(0)
    for magic, decoder in FORMATS:
        if magic.match(start):
            return decoder
    what = "not a PNG, JPEG or WebP image" if start else "the file is empty"
    if HEIC.match(start):
        what = "a HEIC or AVIF image, expected PNG, JPEG or WebP: export it as JPEG"
    reason = f"cannot be decoded ({what})"
    raise PhotoError(reason)


def _affordable(image: Image.Image) -> int:
    """Pixels that a picture of this kind may have, whose header is all that was read."""
    if isinstance(image, WebPImageFile):
        return PIXELS_WEBP
    profile = image.info.get("icc_profile")
    converted = profile and not (image.mode == "RGB" and is_srgb(profile))
    copied = image.has_transparency_data or converted or "progressive" in image.info
    return PIXELS_COPIED if copied or image.mode not in {"1", "L", "P", "RGB"} else PIXELS


def _refuse_shape(width: int, height: int, most: int) -> None:
    """What a header claims, before anything is decoded."""
    short, long = sorted((width, height))
    if width * height > most:
        wanted = f"{most // 10**6} million at most: scale it down"
    elif short < SMALLEST:
        wanted = f"{SMALLEST} or more on each side"
    elif long > ASPECT * short:
        wanted = f"sides of at most {ASPECT} to 1: crop it to the shoe"
    else:
        return
    reason = f"{width} x {height} pixels, expected {wanted}"
    raise PhotoError(reason)
