"""Colour spaces that files name by numbers instead of a profile, and the ICC profiles of them.

Codes are those of ITU-T H.273, as in the boxes `nclx` of HEIC and AVIF and the chunk `cICP` of PNG. A colour space is
its white, its three primaries and its curve; an ICC profile of these lets the colour library convert it like others.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoepair.data.naming import PhotoError

Chromaticities = tuple[float, float, float, float, float, float, float, float]  # x and y of white, red, green, blue

D65 = (0.3127, 0.3290)
C_WHITE = (0.310, 0.316)
SRGB_PRIMARIES: Chromaticities = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE_PRIMARIES: Chromaticities = (*D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB_PRIMARIES,
    2: SRGB_PRIMARIES,  # unspecified
    4: (*C_WHITE, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),  # BT.470 M
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),  # BT.470 B and G
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # BT.601
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # SMPTE 240M
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI P3
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
    22: (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),  # EBU 3213
}
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


class Curve(NamedTuple):
    """Curve from a file's value v to light: (a v + b) ** gamma from d on, c v below."""

    gamma: float
    a: float = 1
    b: float = 0
    c: float = 0
    d: float = 0


SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
VIDEO_CURVE = Curve(1 / 0.45, 1 / 1.099296826809442, 0.099296826809442 / 1.099296826809442, 1 / 4.5, 0.081242858298635)
ADOBE_CURVE = Curve(563 / 256)
CURVES = {
    1: VIDEO_CURVE,  # BT.709
    2: SRGB_CURVE,  # unspecified
    4: Curve(2.2),
    5: Curve(2.8),
    6: VIDEO_CURVE,  # BT.601
    7: Curve(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912),  # SMPTE 240M
    8: Curve(1),
    11: VIDEO_CURVE,
    13: SRGB_CURVE,
    14: VIDEO_CURVE,  # BT.2020
    15: VIDEO_CURVE,
}
# Bradford's matrix: XYZ to the responses of the eye in which whites are adapted; and the white of ICC profiles.
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1.0, 0.8249])
MIN_DETERMINANT = 1e-3  # of the primaries; those of sRGB have 0.2


class UnusableColorsError(ValueError):
    """Colours that a file names, but that are unknown or impossible."""


def raise_if_hdr(transfer: int) -> None:
    """Raise a PhotoError if a transfer, a code of H.273, is one of HDR."""
    if name := HDR_TRANSFERS.get(transfer):
        raise describe_hdr(name)


def describe_hdr(name: str) -> PhotoError:
    """Return the error of a photo with a transfer of HDR."""
    return PhotoError(
        f"HDR colours ({name}), expected a usual photo: switch HDR off in the camera, or export it as JPEG"
    )


def profile_of_codes(primaries: int, transfer: int) -> bytes | None:
    """Return the ICC profile of colours by their codes; None for sRGB.

    Raises:
        PhotoError: they are HDR.
        UnusableColorsError: a code is unknown.
    """
    raise_if_hdr(transfer)
    if primaries not in PRIMARIES or transfer not in CURVES:
        message = f"colours {primaries}, transfer {transfer}"
        raise UnusableColorsError(message)
    if PRIMARIES[primaries] == SRGB_PRIMARIES and CURVES[transfer] == SRGB_CURVE:
        return None
    return make_profile(PRIMARIES[primaries], CURVES[transfer])


def make_profile(primaries: Chromaticities, curve: Curve) -> bytes:
    """Return the ICC profile of a colour space.

    Raises:
        UnusableColorsError: no light has such primaries.
    """
    curve_tag = b"para" + struct.pack(">4xHxx", 3) + _fixed(*curve)
    red, green, blue = _columns(primaries)
    tags = {
        b"desc": _text("named by the file"),
        b"cprt": _text("none"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*D50),
        b"rXYZ": b"XYZ \0\0\0\0" + _fixed(*red),
        b"gXYZ": b"XYZ \0\0\0\0" + _fixed(*green),
        b"bXYZ": b"XYZ \0\0\0\0" + _fixed(*blue),
        b"rTRC": curve_tag,
        b"gTRC": curve_tag,
        b"bTRC": curve_tag,
    }
    table, contents, start = b"", b"", 132 + 12 * len(tags)
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, start + len(contents), len(tag))
        contents += tag + b"\0" * (-len(tag) % 4)
    size, date = start + len(contents), (2020, 1, 1, 0, 0, 0)
    header = struct.pack(">I4xI4s4s4s6H4s", size, 0x04300000, b"mntr", b"RGB ", b"XYZ ", *date, b"acsp")
    header = header.ljust(68, b"\0") + _fixed(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + contents


def _columns(primaries: Chromaticities) -> NDArray[np.float64]:
    """Return XYZ of the full red, green and blue light, seen under the white of ICC profiles: (3, 3), a row each."""
    x, y = np.array(primaries, float).reshape(4, 2).T
    if not (np.isfinite(primaries).all() and (y > 0).all() and (x > 0).all() and (x + y <= 1).all()):
        raise UnusableColorsError(str(primaries))
    white, *rest = np.stack([x / y, np.ones(4), (1 - x - y) / y], 1)  # XYZ at the brightness 1
    lights = np.stack([one * height for one, height in zip(rest, y[1:], strict=True)], 1)  # a column each
    if abs(np.linalg.det(lights)) < MIN_DETERMINANT:
        raise UnusableColorsError(str(primaries))
    scaled = lights * np.linalg.solve(lights, white)
    adapted = np.linalg.solve(BRADFORD, np.diag(BRADFORD @ D50 / (BRADFORD @ white)) @ BRADFORD)
    columns: NDArray[np.float64] = (adapted @ scaled).T
    return columns


def _fixed(*numbers: float) -> bytes:
    """Return numbers as ICC profiles hold them, 16 bits before and after the point."""
    if not all(abs(number) < 2**15 for number in numbers):  # nor for one that is no number
        raise UnusableColorsError(str(numbers))
    return struct.pack(f">{len(numbers)}i", *(round(float(number) * 2**16) for number in numbers))


def _text(text: str) -> bytes:
    packed = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(packed), 28) + packed
