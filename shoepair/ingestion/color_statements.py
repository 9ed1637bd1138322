"""What a photo's file says of its colours: a profile, codes, a curve with primaries, or EXIF; as one ICC profile.

The order is that of the formats. PNG (third edition): cICP, iCCP, sRGB, then gAMA and cHRM. HEIC and AVIF: a profile,
then the codes of `nclx`. JPEG, WebP, HEIC, AVIF: then Adobe RGB in the camera's metadata (DCF). Otherwise it is sRGB.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from contextlib import suppress
from functools import lru_cache

from PIL import Image, ImageCms
from PIL.ExifTags import IFD
from PIL.PngImagePlugin import PngImageFile

from shoepair.ingestion import color_spaces, file_structure
from shoepair.ingestion.color import PROFILE_ERRORS, PROFILE_IGNORED_REMARK
from shoepair.ingestion.color_spaces import Curve, UnusableColorsError, profile_of_codes

HDR_NAME = re.compile(r"\b(?:PQ|HLG)\b|2084|2100")  # in the description of a profile
EXIF_COLOR_SPACE, EXIF_ADOBE = 0xA001, 2
INTEROPERABILITY_INDEX, INTEROPERABILITY_ADOBE = 0x0001, "R03"
# Of 100,000; programs write sRGB as this curve, and its primaries in five digits.
SRGB_GAMMA, SRGB_GAMMA_TOLERANCE = 45_455, 455
PRIMARIES_TOLERANCE = 0.002
GAMMA_RANGE = range(10_000, 400_001)  # curves of 10 to 0.25: outside, the value is none of a picture


def find_profile(content: bytes, image: Image.Image) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the ICC profile of a photo's colours, and remarks; no profile for sRGB.

    Args:
        content: of the file.
        image: opened; for HEIC and AVIF with `nclx` in its `info`.

    Raises:
        PhotoError: the colours are HDR, or the profile is too complex.
    """
    profile = image.info.get("icc_profile") or None
    if profile:
        file_structure.raise_if_profile_is_too_complex(profile)
        _raise_if_profile_is_hdr(profile)
    try:
        if isinstance(image, PngImageFile):
            return _find_png_profile(content, profile), ()
        if nclx := image.info.get("nclx"):
            color_spaces.raise_if_hdr(nclx.transfer)
        if profile:
            return profile, ()
        if nclx:
            return profile_of_codes(nclx.primaries, nclx.transfer), ()
    except UnusableColorsError:
        return None, (PROFILE_IGNORED_REMARK,)
    if _says_adobe(image):
        return color_spaces.make_profile(color_spaces.ADOBE_PRIMARIES, color_spaces.ADOBE_CURVE), ()
    return None, ()


def _find_png_profile(content: bytes, profile: bytes | None) -> bytes | None:
    """Return the profile that a PNG's chunks before its picture ask for."""
    chunks: dict[int | bytes, bytes] = {}
    for kind, start, end in file_structure.iter_png_chunks(content):
        if kind in file_structure.PNG_PICTURE:
            break
        if kind in {b"cICP", b"sRGB", b"gAMA", b"cHRM"}:
            chunks.setdefault(kind, content[start:end])
    if codes := chunks.get(b"cICP"):
        if len(codes) != 4 or codes[2] != 0 or codes[3] != 1:  # RGB of the full range
            raise UnusableColorsError(codes.hex())
        return profile_of_codes(codes[0], codes[1])
    if profile or b"sRGB" in chunks:
        return profile
    gamma = _read_numbers(chunks.get(b"gAMA"), 1)
    corners = _read_numbers(chunks.get(b"cHRM"), 8)
    primaries = tuple(number / 100_000 for number in corners) if corners else color_spaces.SRGB_PRIMARIES
    same_primaries = all(
        abs(one - other) <= PRIMARIES_TOLERANCE
        for one, other in zip(primaries, color_spaces.SRGB_PRIMARIES, strict=True)
    )
    if gamma and gamma[0] not in GAMMA_RANGE:
        raise UnusableColorsError(str(gamma[0]))
    same_gamma = not gamma or abs(gamma[0] - SRGB_GAMMA) <= SRGB_GAMMA_TOLERANCE
    if same_primaries and same_gamma:
        return None
    curve = Curve(100_000 / gamma[0]) if gamma else color_spaces.SRGB_CURVE
    return color_spaces.make_profile(primaries, curve)  # type: ignore[arg-type]  # eight numbers


def _read_numbers(chunk: bytes | None, count: int) -> tuple[int, ...]:
    """Return the numbers of a chunk; none if it is missing."""
    if chunk is None:
        return ()
    if len(chunk) != 4 * count:
        raise UnusableColorsError(chunk.hex())
    return struct.unpack(f">{count}I", chunk)


def _says_adobe(image: Image.Image) -> bool:
    """Whether the EXIF block says Adobe RGB, as cameras do that embed no profile."""
    # Errors and warnings of Pillow on damaged blocks, which say nothing then.
    errors = (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error)
    with suppress(*errors), warnings.catch_warnings(action="ignore"):
        exif = image.getexif()
        color_space = exif.get_ifd(IFD.Exif).get(EXIF_COLOR_SPACE)
        index = exif.get_ifd(IFD.Interop).get(INTEROPERABILITY_INDEX)
        index = index.rstrip("\0 ") if isinstance(index, str) else None
        return color_space == EXIF_ADOBE or (index == INTEROPERABILITY_ADOBE and color_space != 1)
    return False


@lru_cache(maxsize=64)
def _find_hdr_name(profile: bytes) -> str | None:
    """Return the name of a profile's HDR transfer, by its tag `cicp` or its description."""
    for name, offset, _length in file_structure.iter_profile_tags(profile):
        if name == b"cicp" and len(profile) >= offset + 12:
            return color_spaces.HDR_TRANSFERS.get(profile[offset + 9])
    try:
        description = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except PROFILE_ERRORS:
        return None
    found = HDR_NAME.search(description)
    return found.group() if found else None


def _raise_if_profile_is_hdr(profile: bytes) -> None:
    if name := _find_hdr_name(profile):
        raise color_spaces.describe_hdr(name)
