"""What a file says of its colours is done: each encoding compared with a reference computed in floats."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from benchmarks import heif_files
from benchmarks.costly_photos import make_chunk
from shoepair.data.naming import PhotoError
from shoepair.ingestion import color, color_spaces, color_statements, decoding, heif_structure

EDGE, BLOCK = 128, 8
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WHITE = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT_2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
Corners = tuple[tuple[float, float], ...]
Floats = NDArray[np.float64]
Writer = Callable[[NDArray[np.uint8]], bytes]


def srgb_light(values: Floats) -> Floats:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def video_light(values: Floats) -> Floats:
    alpha, beta = 1.09929682680944, 0.018053968510807
    return np.where(values < 4.5 * beta, values / 4.5, ((values + alpha - 1) / alpha) ** (1 / 0.45))


def power(gamma: float) -> Callable[[Floats], Floats]:
    return lambda values: values**gamma


def light_matrix(corners: Corners) -> Floats:
    """Return the matrix from light of three primaries to XYZ, all under D65, as in BT.709's annex."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (*corners, WHITE)]).T
    matrix: Floats = xyz[:, :3] * np.linalg.inv(xyz[:, :3]).dot(xyz[:, 3])
    return matrix


def reference(pixels: NDArray[np.uint8], corners: Corners, to_light: Callable[[Floats], Floats]) -> Floats:
    """Return what the pixels are in sRGB, in floats of 0 to 255."""
    light = to_light(pixels / 255) @ (np.linalg.inv(light_matrix(SRGB)) @ light_matrix(corners)).T
    light = light.clip(0, 1)
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def colours() -> NDArray[np.uint8]:
    """Return a picture of flat blocks, all greys among them: (EDGE, EDGE, 3)."""
    rng = np.random.default_rng(24)
    count = (EDGE // BLOCK) ** 2
    blocks = rng.integers(0, 256, (count, 3))
    blocks[:64] = np.arange(0, 256, 4)[:, None]
    side = EDGE // BLOCK
    return np.kron(blocks.reshape(side, side, 3), np.ones((BLOCK, BLOCK, 1))).astype(np.uint8)


def save(pixels: NDArray[np.uint8], encoding: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, encoding, **options)
    return buffer.getvalue()


def insert(content: bytes, chunks: dict[str, bytes]) -> bytes:
    return content[:33] + b"".join(make_chunk(n.encode(), one) for n, one in chunks.items()) + content[33:]


def png(**chunks: bytes) -> Writer:
    """Return a writer of a PNG with such chunks before its picture."""

    return lambda pixels: insert(save(pixels, "PNG"), chunks)


def heif(codec: bytes, *properties: bytes) -> Writer:
    """Return a writer of a HEIC or AVIF with such properties."""

    def write(pixels: NDArray[np.uint8]) -> bytes:
        item = heif_files.encode_tile(Image.fromarray(pixels), codec)
        item.properties = [*item.properties, *properties]
        return heif_files.make_heif([item], b"heic" if codec == heif_structure.HEVC else b"avif")

    return write


def with_adobe_exif(encoding: str, interoperability: bool = False, **options: object) -> Writer:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 65_535 if interoperability else 2
    if interoperability:
        exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    return lambda pixels: save(pixels, encoding, exif=exif.tobytes(), **options)


def icc(corners: tuple[float, ...], curve: color_spaces.Curve, name: str = "") -> bytes:
    profile = color_spaces.make_profile(corners, curve)  # type: ignore[arg-type]  # eight numbers
    return rename(profile, name) if name else profile


def rename(profile: bytes, name: str) -> bytes:
    """Return one of our profiles under another name of at most 17 letters."""
    old = "named by the file"
    return profile.replace(old.encode("utf-16-be"), name.ljust(len(old)).encode("utf-16-be"))


def chromaticities(corners: Corners) -> bytes:
    return struct.pack(">8I", *(round(100_000 * one) for pair in (WHITE, *corners) for one in pair))


def gamma(value: int) -> bytes:
    return struct.pack(">I", value)


LINEAR_SRGB = icc(color_spaces.SRGB_PRIMARIES, color_spaces.Curve(1), "Linear sRGB")
P3_ICC = icc(color_spaces.PRIMARIES[12], color_spaces.SRGB_CURVE, "Display P3")
ADOBE_ICC = icc(color_spaces.ADOBE_PRIMARIES, color_spaces.ADOBE_CURVE, "Adobe RGB (1998)")
JPEG: dict[str, Any] = {"quality": 100, "subsampling": 0}
HEVC, AV1 = heif_structure.HEVC, heif_structure.AV1
nclx = heif_files.make_nclx


class Encoding(NamedTuple):
    """An encoding and what it means; `plain` writes the same values without a word on their colours."""

    name: str
    write: Writer
    corners: Corners
    to_light: Callable[[Floats], Floats]
    plain: Writer | None = None  # of a format that does not keep every value


def jpeg_icc(profile: bytes) -> Writer:
    return lambda pixels: save(pixels, "JPEG", icc_profile=profile, **JPEG)


def webp_icc(profile: bytes) -> Writer:
    return lambda pixels: save(pixels, "WEBP", icc_profile=profile, lossless=True)


def plain_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return save(pixels, "JPEG", **JPEG)


P3_BOX = heif_files.make_box(b"colr", b"prof", P3_ICC)
PLAIN_HEIC, PLAIN_AVIF = heif(HEVC, nclx(1, 13)), heif(AV1, nclx(1, 13))
ADOBE_LIGHT = power(563 / 256)
TABLE = [
    Encoding("PNG, nothing", png(), SRGB, srgb_light),
    Encoding("PNG, sRGB", png(sRGB=b"\0"), SRGB, srgb_light),
    Encoding("PNG, gAMA 1/2.2", png(gAMA=gamma(45_455)), SRGB, srgb_light),
    Encoding("PNG, gAMA 1: linear", png(gAMA=gamma(100_000)), SRGB, power(1)),
    Encoding("PNG, gAMA 1/1.8", png(gAMA=gamma(55_556)), SRGB, power(1.8)),
    Encoding("PNG, gAMA 1/2.2 and cHRM of P3", png(gAMA=gamma(45_455), cHRM=chromaticities(P3)), P3, power(2.2)),
    Encoding("PNG, cHRM of P3 alone", png(cHRM=chromaticities(P3)), P3, srgb_light),
    Encoding("PNG, cICP Display P3", png(cICP=bytes([12, 13, 0, 1])), P3, srgb_light),
    Encoding("PNG, cICP BT.2020", png(cICP=bytes([9, 14, 0, 1])), BT_2020, video_light),
    Encoding("PNG, cICP BT.709", png(cICP=bytes([1, 1, 0, 1])), SRGB, video_light),
    Encoding("PNG, cICP linear", png(cICP=bytes([1, 8, 0, 1])), SRGB, power(1)),
    Encoding("PNG, iCCP Display P3", lambda p: save(p, "PNG", icc_profile=P3_ICC), P3, srgb_light),
    Encoding("PNG, iCCP linear, named sRGB", lambda p: save(p, "PNG", icc_profile=LINEAR_SRGB), SRGB, power(1)),
    Encoding("JPEG, ICC sRGB", jpeg_icc(SRGB_PROFILE), SRGB, srgb_light, plain_jpeg),
    Encoding("JPEG, ICC linear, named sRGB", jpeg_icc(LINEAR_SRGB), SRGB, power(1), plain_jpeg),
    Encoding("JPEG, ICC Display P3", jpeg_icc(P3_ICC), P3, srgb_light, plain_jpeg),
    Encoding("JPEG, ICC Adobe RGB", jpeg_icc(ADOBE_ICC), ADOBE, ADOBE_LIGHT, plain_jpeg),
    Encoding("JPEG, EXIF ColorSpace 2", with_adobe_exif("JPEG", **JPEG), ADOBE, ADOBE_LIGHT, plain_jpeg),
    Encoding("JPEG, EXIF R03", with_adobe_exif("JPEG", True, **JPEG), ADOBE, ADOBE_LIGHT, plain_jpeg),
    Encoding("WebP, ICC Display P3", webp_icc(P3_ICC), P3, srgb_light),
    Encoding("WebP, ICC linear, named sRGB", webp_icc(LINEAR_SRGB), SRGB, power(1)),
    Encoding("WebP, EXIF ColorSpace 2", with_adobe_exif("WEBP", lossless=True), ADOBE, ADOBE_LIGHT),
    Encoding("HEIC, nclx Display P3", heif(HEVC, nclx(12, 13)), P3, srgb_light, PLAIN_HEIC),
    Encoding("HEIC, nclx BT.2020", heif(HEVC, nclx(9, 14)), BT_2020, video_light, PLAIN_HEIC),
    Encoding("HEIC, ICC Display P3", heif(HEVC, P3_BOX), P3, srgb_light, PLAIN_HEIC),
    Encoding("HEIC, ICC Display P3 and nclx", heif(HEVC, P3_BOX, nclx(1, 13)), P3, srgb_light, PLAIN_HEIC),
    Encoding("AVIF, nclx Display P3", heif(AV1, nclx(12, 13)), P3, srgb_light, PLAIN_AVIF),
    Encoding("AVIF, nclx BT.2020", heif(AV1, nclx(9, 14)), BT_2020, video_light, PLAIN_AVIF),
    Encoding("AVIF, ICC Display P3", heif(AV1, P3_BOX), P3, srgb_light, PLAIN_AVIF),
]
MAX_ERROR, MEAN_ERROR = 1.0, 0.3  # in steps of 255; the rounding to 8 bits alone makes 0.5 and 0.25


def measure_errors(encoding: Encoding) -> tuple[float, float]:
    """Return the largest and the mean difference to the reference, at all blocks, in steps of 255."""
    pixels = colours()
    decoded = decoding.decode_photo(encoding.write(pixels), EDGE)
    assert decoded.remarks == ()
    if encoding.plain:
        pixels = decoding.decode_photo(encoding.plain(pixels), EDGE).pixels
    errors = np.abs(decoded.pixels - reference(pixels, encoding.corners, encoding.to_light))
    return float(errors.max()), float(errors.mean())


@pytest.mark.parametrize("encoding", TABLE, ids=lambda encoding: encoding.name)
def test_encoding_is_converted_as_the_file_says(encoding: Encoding) -> None:
    largest, mean = measure_errors(encoding)
    assert largest <= MAX_ERROR
    assert mean <= MEAN_ERROR


def test_error_of_the_name_alone_would_be_seen() -> None:
    pixels = colours()
    errors = np.abs(pixels - reference(pixels, SRGB, power(1)))
    assert errors.max() > 50, "the table could not tell a linear photo from one in sRGB"


CICP_SRGB, CICP_P3 = bytes([1, 13, 0, 1]), bytes([12, 13, 0, 1])


@pytest.mark.parametrize(
    ("chunks", "icc_profile", "same"),
    [
        ({"cICP": CICP_P3, "sRGB": b"\0", "gAMA": gamma(100_000)}, b"", "cICP"),
        ({"cICP": CICP_P3}, LINEAR_SRGB, "cICP"),
        ({"sRGB": b"\0", "gAMA": gamma(100_000)}, LINEAR_SRGB, "iCCP"),
        ({"sRGB": b"\0", "gAMA": gamma(100_000), "cHRM": chromaticities(P3)}, b"", "sRGB"),
        ({"cICP": CICP_SRGB, "gAMA": gamma(100_000)}, b"", "sRGB"),
    ],
)
def test_first_of_several_statements_in_a_png_counts(chunks: dict[str, bytes], icc_profile: bytes, same: str) -> None:
    pixels = colours()
    content = insert(save(pixels, "PNG", icc_profile=icc_profile or None), chunks)
    meant = {"cICP": (P3, srgb_light), "iCCP": (SRGB, power(1)), "sRGB": (SRGB, srgb_light)}[same]
    assert np.abs(decoding.decode_photo(content, EDGE).pixels - reference(pixels, *meant)).max() <= MAX_ERROR


def hdr_profile(transfer: int) -> bytes:
    """Return a profile with a tag `cicp`, in the place of its copyright."""
    profile = P3_ICC.replace(b"cprt", b"cicp", 1)
    start = 132 + 12
    offset = int.from_bytes(profile[start + 4 : start + 8], "big")
    return profile[:offset] + b"cicp\0\0\0\0" + bytes([9, transfer, 0, 1]) + profile[offset + 12 :]


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused_wherever_the_file_says_so(transfer: int, name: str) -> None:
    pixels = colours()
    profile, named = hdr_profile(transfer), icc(color_spaces.PRIMARIES[9], color_spaces.SRGB_CURVE, f"Rec2100 {name}")
    for content in (
        png(cICP=bytes([9, transfer, 0, 1]))(pixels),
        heif(HEVC, nclx(9, transfer))(pixels),
        heif(HEVC, P3_BOX, nclx(9, transfer))(pixels),
        heif(AV1, nclx(9, transfer))(pixels),
        heif(AV1, heif_files.make_box(b"colr", b"prof", profile))(pixels),
        *(save(pixels, encoding, icc_profile=profile) for encoding in ("PNG", "JPEG", "WEBP")),
    ):
        with pytest.raises(PhotoError, match=rf"HDR colours \({name}\), expected a usual photo"):
            decoding.decode_photo(content, EDGE)
    with pytest.raises(PhotoError, match="HDR colours"):
        decoding.decode_photo(save(pixels, "JPEG", icc_profile=named), EDGE)


@pytest.mark.parametrize(
    "chunks",
    [
        {"gAMA": gamma(0)},
        {"gAMA": gamma(2**32 - 1)},
        {"cICP": bytes([200, 13, 0, 1])},
        {"cICP": bytes([1, 13, 0, 0])},
        {"cICP": b"\1"},
        {"gAMA": gamma(45_455), "cHRM": bytes(32)},
        {"cHRM": struct.pack(">8I", *[40_000] * 8)},
    ],
)
def test_impossible_colours_are_ignored_and_remarked(chunks: dict[str, bytes]) -> None:
    pixels = colours()
    decoded = decoding.decode_photo(png(**chunks)(pixels), EDGE)
    assert (decoded.pixels == pixels).all()
    assert decoded.remarks == (color.PROFILE_IGNORED_REMARK,)


@pytest.mark.parametrize(("codec", "primaries", "plain"), [(HEVC, 10, PLAIN_HEIC), (AV1, 200, PLAIN_AVIF)])
def test_unknown_codes_of_heic_and_avif_are_ignored_and_remarked(codec: bytes, primaries: int, plain: Writer) -> None:
    pixels = colours()
    decoded = decoding.decode_photo(heif(codec, nclx(primaries, 13))(pixels), EDGE)
    assert (decoded.pixels == decoding.decode_photo(plain(pixels), EDGE).pixels).all()
    assert decoded.remarks == (color.PROFILE_IGNORED_REMARK,)


def test_exif_that_says_srgb_nothing_or_nonsense_changes_nothing() -> None:
    pixels = colours()
    plain = decoding.decode_photo(plain_jpeg(pixels), EDGE).pixels
    says_srgb, calibrated = Image.Exif(), Image.Exif()
    says_srgb.get_ifd(0x8769)[0xA001] = 1
    calibrated.get_ifd(0x8769)[0xA001] = 65_535
    adobe = Image.Exif()
    adobe.get_ifd(0x8769)[0xA001] = 2
    broken = adobe.tobytes()[:-12]
    for exif in (says_srgb.tobytes(), calibrated.tobytes(), broken):
        assert (decoding.decode_photo(save(pixels, "JPEG", exif=exif, **JPEG), EDGE).pixels == plain).all()


def test_profile_goes_before_exif() -> None:
    pixels = colours()
    content = with_adobe_exif("JPEG", icc_profile=SRGB_PROFILE, **JPEG)(pixels)
    assert (
        decoding.decode_photo(content, EDGE).pixels == decoding.decode_photo(plain_jpeg(pixels), EDGE).pixels
    ).all()


def test_second_picture_of_an_ultra_hdr_jpeg_is_not_read() -> None:
    pixels = colours()
    base, gain_map = plain_jpeg(pixels), plain_jpeg(255 - pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(255 - pixels)], **JPEG)
    for content in (base + gain_map, buffer.getvalue()):
        assert (decoding.decode_photo(content, EDGE).pixels == decoding.decode_photo(base, EDGE).pixels).all()


@given(st.binary(max_size=200))
def test_any_profile_is_searched_for_hdr(profile: bytes) -> None:
    assert color_statements._find_hdr_name(profile) is None
