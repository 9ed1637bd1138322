"""Decoding of one photo: format by its bytes, sRGB, upright, opaque, cropped to the central square, resized."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.JpegImagePlugin import JpegImageFile

from shoepair.data.naming import FORMAT_NAMES, PhotoError
from shoepair.ingestion import damage, file_structure, reduced_decoding
from shoepair.ingestion.color import convert_to_srgb_with_remarks, is_srgb_profile
from shoepair.ingestion.color_statements import find_profile
from shoepair.ingestion.reduced_decoding import HeicImageFile, LargeWebpFile


class PhotoFormat(NamedTuple):
    """A format of photos: how its files start, what decodes them, and what counts the work before that."""

    signature: re.Pattern[bytes]
    open_image: Callable[[BinaryIO], Image.Image]
    count_work: Callable[[bytes], file_structure.FileWork]


# Not Image.open: it loads, and may try, decoders of forty formats.
PHOTO_FORMATS = (
    PhotoFormat(re.compile(rb"\x89PNG\r\n\x1a\n"), damage.CountedPngFile, file_structure.count_png_work),
    PhotoFormat(re.compile(rb"\xff\xd8\xff"), JpegImageFile, file_structure.count_jpeg_work),
    PhotoFormat(re.compile(rb"RIFF....WEBP", re.DOTALL), reduced_decoding.open_webp, file_structure.count_webp_work),
    # HEIC or AVIF: the type of the file, or one of those that it is compatible with.
    PhotoFormat(
        re.compile(rb"....ftyp(?:....){0,20}?(?:he[iv][cxms]|mi[af][f12]|msf1|avi[fs])", re.DOTALL),
        reduced_decoding.open_heif,
        file_structure.count_heif_work,
    ),
)
MAX_FILE_BYTES = 64_000_000  # a file is read into memory before it is decoded
MAX_PIXELS = 200_000_000  # of the largest photos, of 16320 x 12240 pixels
MAX_PIXELS_HEIF = 120_000_000  # HEIC and AVIF, whose decoders take 8 to 12 bytes a pixel
# Limits that keep decoding below 0.35 GB, besides the file: plain grey or RGB takes 4 bytes a pixel; up to 13 where a
# copy is needed (transparency, a colour profile other than sRGB, 16 bits, CMYK, progressive JPEG). A PNG of more
# pixels is refused; other photos are reduced while they are decoded.
MAX_WHOLE_PIXELS = 64_000_000
MAX_WHOLE_PIXELS_COPIED = 25_000_000
MAX_BUFFER_BYTES = 400_000_000  # that a decoder may need for a whole photo that it reduces
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


class MemoryShortageError(PhotoError):
    """A photo cannot be decoded with the memory of this machine: no reason to quarantine its student."""


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

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        """Brightness: (S, S) uint8."""
        return np.asarray(Image.fromarray(self.pixels).convert("L"))


def decode_photo(source: Path | bytes | BinaryIO, edge: int, max_pixels: int = MAX_PIXELS) -> DecodedPhoto:
    """Decode one photo as sRGB, upright, opaque, cropped to the central square and resized to edge x edge.

    A photo that is already edge x edge is not resampled: its pixels are the decoder's, without the alpha channel. One
    of very many pixels is reduced while it is decoded.
    All metadata (location, device, thumbnail, comments) are dropped.

    Args:
        source: a file of one of `PHOTO_FORMATS`, whatever its extension; its content; or an open file.
        edge: S, edge of the square result, in pixels.
        max_pixels: limit for the image in the file; lower limits of its format apply too.

    Raises:
        PhotoError: the file is in another format, damaged, animated, HDR, too large, too small or too long, or asks
            for too much work; a `MemoryShortageError` if this machine has too little memory.
        OSError: the file is missing, or this machine cannot read it.
    """
    if not isinstance(source, Path | bytes):
        source = source.read(MAX_FILE_BYTES + 1)
    if error := find_length_error(source.stat().st_size if isinstance(source, Path) else len(source)):
        raise error
    content = source.read_bytes() if isinstance(source, Path) else source
    photo_format = _find_format(content)
    work = photo_format.count_work(content)
    work.raise_if_too_much()
    try:
        with photo_format.open_image(io.BytesIO(content)) as image:
            profile, color_remarks = find_profile(content, image)
            original = image.size
            _check_shape(*original, min(max_pixels, _max_pixels_of(image, profile, work)))
            if getattr(image, "is_animated", False):
                reason = "animated, expected a single picture"
                raise PhotoError(reason)
            damage_remarks = damage.find_damage_remarks(content)  # before `load`: not in memory at the same time
            loaded = _load_reduced(image, _max_whole_pixels_of(image, profile))
            if isinstance(image, damage.CountedPngFile):
                damage_remarks = image.damage_remarks
            # Not ImageOps.exif_transpose: it rewrites the whole EXIF block and fails on invalid entries.
            transpose = TRANSPOSE_BY_ORIENTATION.get(image.getexif().get(EXIF_ORIENTATION_TAG, 1))
            rgb, remarks = convert_to_srgb_with_remarks(loaded, profile)
    except MemoryError:
        reason = "cannot be decoded (this machine has too little memory left)"
        raise MemoryShortageError(reason) from None
    # Errors of Pillow's decoders on damaged bytes.
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError, struct.error) as error:
        reason = f"cannot be decoded ({str(error).rstrip('.') or type(error).__name__})"
        raise PhotoError(reason) from None
    # Resize, then turn: a turned copy of the largest photos would take another quarter of a gigabyte.
    square = rgb if rgb.size == (edge, edge) else ImageOps.fit(rgb, (edge, edge), Image.Resampling.LANCZOS)
    pixels = np.asarray(square if transpose is None else square.transpose(transpose))
    return DecodedPhoto(pixels, original, (*color_remarks, *remarks, *damage_remarks))


def find_length_error(length: int) -> PhotoError | None:
    """Return the error of a file of this many bytes, if it is empty or too large to be read."""
    if length == 0:
        return PhotoError("cannot be decoded (the file is empty)")
    if length > MAX_FILE_BYTES:
        return PhotoError(f"{length:,} bytes, expected {MAX_FILE_BYTES:,} at most: save it as JPEG")
    return None


def _find_format(content: bytes) -> PhotoFormat:
    """Return the format of a photo by its first bytes."""
    for photo_format in PHOTO_FORMATS:
        if photo_format.signature.match(content):
            return photo_format
    reason = f"cannot be decoded (not a {FORMAT_NAMES} image)"
    raise PhotoError(reason)


def _max_pixels_of(image: Image.Image, profile: bytes | None, work: file_structure.FileWork) -> int:
    """Return the pixel limit for an image of which only the header was read."""
    if isinstance(image, HeicImageFile | AvifImageFile):
        return MAX_PIXELS_HEIF
    if isinstance(image, LargeWebpFile):
        return MAX_BUFFER_BYTES // image.buffer_bytes
    if not isinstance(image, JpegImageFile):
        return _max_whole_pixels_of(image, profile)
    if work.scans <= 1:
        return MAX_PIXELS
    # The decoder keeps all coefficients, of 2 bytes, until the last scan.
    areas = [horizontal * vertical for _, horizontal, vertical, _ in image.layer]
    return min(MAX_PIXELS, MAX_BUFFER_BYTES * max(areas) // (2 * sum(areas)))


def _max_whole_pixels_of(image: Image.Image, profile: bytes | None) -> int:
    """Return how many pixels an image may have that is decoded as it is, not reduced."""
    if isinstance(image, HeicImageFile | AvifImageFile):
        return MAX_WHOLE_PIXELS_COPIED
    if image.format == "WEBP":
        return reduced_decoding.MAX_WHOLE_WEBP
    converted = profile and not (image.mode == "RGB" and is_srgb_profile(profile))
    copied = image.has_transparency_data or converted or "progressive" in image.info
    return MAX_WHOLE_PIXELS_COPIED if copied or image.mode not in {"1", "L", "P", "RGB"} else MAX_WHOLE_PIXELS


def _load_reduced(image: Image.Image, max_whole_pixels: int) -> Image.Image:
    """Load an opened image; if it has more pixels, reduced by its decoder, or at once after it."""
    size = image.size
    factor = reduced_decoding.find_factor(size, max_whole_pixels)
    if factor > 1:
        image.draft(None, (size[0] // factor, size[1] // factor))
    image.load()
    return image.reduce(factor) if factor > 1 and image.size == size else image


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
