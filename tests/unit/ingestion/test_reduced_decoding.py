"""HEIC and AVIF, and photos that are reduced while they are decoded."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks import heif_files
from benchmarks.heif_files import Item, encode_tile, make_box, make_grid, make_heif, make_size
from shoepair.data.naming import PhotoError
from shoepair.ingestion import color, color_spaces, decoding, heif_structure, reduced_decoding

CODECS = {heif_structure.HEVC: b"heic", heif_structure.AV1: b"avif"}
EDGE = 64
codecs = pytest.mark.parametrize("codec", CODECS, ids=str)


def gradient(width: int = EDGE, height: int = EDGE) -> Image.Image:
    """Return a picture whose corners all differ."""
    x, y = np.linspace(20, 230, width), np.linspace(230, 40, height)
    channels = np.broadcast_arrays(x[None], y[:, None], (x[None] + y[:, None]) / 2)
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def decode(content: bytes, edge: int = EDGE) -> NDArray[np.int64]:
    return decoding.decode_photo(content, edge).pixels.astype(np.int64)


def difference(one: NDArray[np.int64], other: object) -> int:
    return int(np.abs(one - np.asarray(other).astype(int)).max())


def turned(codec: bytes, *properties: bytes, exif: bytes = b"") -> bytes:
    tile = encode_tile(gradient(), codec)
    items = [replace(tile, properties=[*tile.properties, *properties])]
    if exif:
        items.append(Item(b"Exif", b"\0\0\0\0" + exif, (), {b"cdsc": [1]}))
    return make_heif(items, CODECS[codec])


@codecs
@pytest.mark.parametrize("mirrored", [None, 0, 1])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_picture_is_turned_and_mirrored_as_its_file_says(codec: bytes, quarters: int, mirrored: int | None) -> None:
    expected = np.rot90(np.asarray(gradient()), quarters)
    properties = [make_box(b"irot", bytes([quarters]))]
    if mirrored is not None:
        properties.append(make_box(b"imir", bytes([mirrored])))
        expected = expected[::-1] if mirrored == 0 else expected[:, ::-1]
    assert difference(decode(turned(codec, *properties)), expected) <= 6


@codecs
def test_orientation_of_exif_beside_that_of_the_file_is_not_applied_again(codec: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = turned(codec, make_box(b"irot", b"\3"), exif=exif.tobytes().removeprefix(b"Exif\0\0"))
    assert difference(decode(content), np.rot90(np.asarray(gradient()), 3)) <= 6
    upright = turned(codec, exif=exif.tobytes().removeprefix(b"Exif\0\0"))
    assert difference(decode(upright), gradient()) <= 6, "EXIF's orientation is a copy, by the standard"


@codecs
def test_grid_is_put_together_and_cut(codec: bytes) -> None:
    tile = encode_tile(gradient(), codec)
    decoded = decoding.decode_photo(make_heif(make_grid(tile, 2, 2, (120, 120)), CODECS[codec]), 120)
    expected = np.tile(np.asarray(gradient()), (2, 2, 1))[:120, :120]
    assert decoded.original == (120, 120)
    assert difference(decoded.pixels.astype(np.int64), expected) <= 6


@codecs
def test_primary_picture_of_a_burst_is_taken(codec: bytes) -> None:
    burst = [encode_tile(Image.new("RGB", (EDGE, EDGE), name), codec) for name in ("red", "lime", "blue")]
    for primary, expected in ((1, (255, 0, 0)), (2, (0, 255, 0)), (3, (0, 0, 255))):
        content = make_heif(burst, CODECS[codec], primary)
        assert difference(decode(content, 16), np.full((16, 16, 3), expected)) <= 4


@codecs
def test_thumbnail_depth_and_gain_map_change_nothing(codec: bytes) -> None:
    tile, small = encode_tile(gradient(), codec), encode_tile(Image.new("RGB", (EDGE, EDGE)), codec)
    alone = make_heif([tile], CODECS[codec])
    kinds = (b"urn:mpeg:hevc:2015:auxid:2\0", b"urn:com:apple:photo:2020:aux:hdrgainmap\0")
    others = [replace(small, references={b"thmb": [1]})]
    for kind in kinds:
        properties = [*small.properties, heif_files.make_full_box(b"auxC", kind)]
        others.append(replace(small, properties=properties, references={b"auxl": [1]}))
    assert (decode(make_heif([tile, *others], CODECS[codec])) == decode(alone)).all()


@pytest.mark.parametrize("codec", ["HEIF", "AVIF"])
def test_transparent_picture_is_laid_on_white(codec: str) -> None:
    pixels = np.full((EDGE, EDGE, 4), (200, 100, 0, 255), np.uint8)
    pixels[: EDGE // 2, :, 3] = 0
    decoded = decoding.decode_photo(save(Image.fromarray(pixels), codec), EDGE)
    assert decoded.remarks == (color.BLENDED_REMARK,)
    assert decoded.pixels[:20].min() >= 250
    assert difference(decoded.pixels[40:].astype(np.int64), (200, 100, 0)) <= 6


@pytest.mark.parametrize("codec", ["HEIF", "AVIF"])
def test_grey_picture_becomes_rgb(codec: str) -> None:
    grey = gradient().convert("L")
    assert difference(decode(save(grey, codec)), np.asarray(grey)[..., None]) <= 4


def test_ten_bits_are_read_as_eight() -> None:
    content = make_heif([encode_tile(gradient(), bits=10)])
    assert difference(decode(content), gradient()) <= 3


@codecs
def test_more_behind_the_picture_is_not_read(codec: bytes) -> None:
    plain = make_heif([encode_tile(gradient(), codec)], CODECS[codec])
    for behind in (make_box(b"mpvd", bytes(3000)), make_box(b"free")):  # a film that moves; padding
        assert (decode(plain + behind) == decode(plain)).all()


@pytest.mark.parametrize("brand", [b"mif1", b"heic", b"heix", b"heim", b"miaf"])
def test_brand_of_the_container_does_not_matter(brand: bytes) -> None:
    content = make_heif([encode_tile(gradient())])
    assert (decode(content[:8] + brand + content[12:]) == decode(content)).all()


def save(image: Image.Image, encoding: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    if encoding == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, quality=95, chroma=444, preset="ultrafast")
    else:
        image.save(buffer, encoding, quality=95, **options)
    return buffer.getvalue()


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limits for photos that are decoded whole, so that 400 x 304 pixels are many."""
    monkeypatch.setattr(decoding, "MAX_WHOLE_PIXELS", 40_000)
    monkeypatch.setattr(decoding, "MAX_WHOLE_PIXELS_COPIED", 20_000)
    monkeypatch.setattr(reduced_decoding, "MAX_WHOLE_WEBP", 20_000)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("encoding", ["JPEG", "WEBP", "HEIF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_large_photo_is_nearly_what_it_is_without_limits(
    encoding: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = save(gradient(403, 307).convert(mode), encoding)
    reduced = decoding.decode_photo(content, 48)
    monkeypatch.undo()
    whole = decoding.decode_photo(content, 48)
    assert reduced.original == whole.original == (403, 307)
    assert difference(reduced.pixels.astype(np.int64), whole.pixels) <= 3


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("encoding", ["JPEG", "WEBP", "AVIF"])
def test_large_photo_keeps_orientation_and_profile(encoding: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    primaries = color_spaces.SRGB_PRIMARIES
    profile = color_spaces.make_profile(  # red and green swapped
        (*primaries[:2], *primaries[4:6], *primaries[2:4], *primaries[6:]), color_spaces.SRGB_CURVE
    )
    content = save(Image.new("RGB", (400, 304), "red"), encoding, exif=exif.tobytes(), icc_profile=profile)
    assert difference(decode(content, 16), np.full((16, 16, 3), (0, 255, 0))) <= 12
    lying = gradient(400, 304)
    content = save(lying, encoding, exif=exif.tobytes())
    upright = save(lying.transpose(Image.Transpose.ROTATE_270), encoding)
    assert difference(decode(content, 16), decode(upright, 16)) <= 4


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("lossless", [True, False])
def test_large_transparent_webp_is_laid_on_white(lossless: bool) -> None:
    pixels = np.full((300, 400, 4), (200, 100, 0, 255), np.uint8)
    pixels[:150, :, 3] = 0
    decoded = decoding.decode_photo(save(Image.fromarray(pixels), "WEBP", lossless=lossless), 16)
    assert decoded.remarks == (color.BLENDED_REMARK,)
    assert decoded.pixels[:6].min() >= 250
    assert difference(decoded.pixels[10:].astype(np.int64), (200, 100, 0)) <= 6


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("encoding", ["JPEG", "WEBP", "HEIF", "AVIF"])
def test_large_photo_that_is_cut_off_is_refused(encoding: str) -> None:
    content = save(gradient(400, 304), encoding)
    for length in (len(content) // 2, len(content) - 40):
        with pytest.raises(PhotoError, match="cannot be decoded"):
            decode(content[:length])


@pytest.mark.usefixtures("small_limits")
def test_large_animation_is_refused() -> None:
    frames = [Image.new("RGB", (400, 304), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(PhotoError, match="animated, expected a single picture"):
        decode(buffer.getvalue())


def test_photo_within_the_limits_is_not_reduced() -> None:
    assert reduced_decoding.find_factor((8000, 8000), decoding.MAX_WHOLE_PIXELS) == 1
    assert reduced_decoding.find_factor((9248, 6936), decoding.MAX_WHOLE_PIXELS) == 2
    assert reduced_decoding.find_factor((12000, 9000), decoding.MAX_WHOLE_PIXELS_COPIED) == 4


@pytest.mark.parametrize("shape", [(700, 500, 3), (513, 10, 4), (2, 3, 3)])
def test_rows_are_averaged_like_the_whole_image(shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    mode = "RGBA" if shape[2] == 4 else "RGB"
    whole = Image.fromarray(pixels)
    assert (np.asarray(reduced_decoding.reduce_rows(pixels, mode, 1)) == pixels).all()
    assert (np.asarray(reduced_decoding.reduce_rows(pixels, mode, 2)) == np.asarray(whole.reduce(2))).all()


def test_size_of_a_picture_that_its_decoder_does_not_find_is_refused() -> None:
    tile = encode_tile(gradient())
    for size in ((16, 16), (4000, 3000)):
        lying = replace(tile, properties=[make_size(*size), *tile.properties[1:]])
        with pytest.raises(PhotoError):
            decode(make_heif([lying]))
