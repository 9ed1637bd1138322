"""HEIC and AVIF files that are hostile or damaged are refused before a decoder sees them."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks import heif_files
from benchmarks.heif_files import Item, encode_tile, make_box, make_full_box, make_grid, make_heif, make_size
from shoepair.data.naming import PhotoError
from shoepair.ingestion import decoding, heif_structure, reduced_decoding
from shoepair.ingestion.heif_structure import AV1, HEVC

TILE = Item(HEVC, b"coded", [make_size(64, 64)])
META = make_heif([TILE])


@pytest.fixture(autouse=True)
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it an error to offer a photo to a decoder."""

    def opened(_content: object) -> Image.Image:
        pytest.fail("the photo was offered to a decoder")

    monkeypatch.setattr(reduced_decoding, "HeicImageFile", opened)
    monkeypatch.setattr(reduced_decoding, "AvifImageFile", opened)


def grid(count: int, size: tuple[int, int], tile: Item = TILE) -> bytes:
    return make_heif([Item(b"grid", b"", [make_size(*size)], {b"dimg": list(range(2, 2 + count))}), *[tile] * count])


def with_properties(*properties: bytes, kind: bytes = HEVC) -> bytes:
    return make_heif([Item(kind, b"coded", [make_size(64, 64), *properties])])


def longer(kind: bytes, length: int) -> bytes:
    """Return a file in which a box says another length."""
    start = META.index(kind) - 4
    return META[:start] + struct.pack(">I", length) + META[start + 4 :]


HUGE = Item(HEVC, b"coded", [make_size(8000, 8000)])
ALPHA = Item(HEVC, b"coded", [make_size(8000, 8000)], {b"auxl": [1]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (grid(1200, (12000, 9000)), "more than 1,000 pictures and tiles"),
        (grid(10, (640, 640), HUGE), "640,000,000 pixels of tiles and auxiliary pictures, expected 6,291,456 at most"),
        (make_heif([TILE, ALPHA]), "64,000,000 pixels of tiles and auxiliary pictures"),
        (make_heif([TILE, *[Item(b"mime", bytes(40_000), ())] * 900]), "36,000,000 bytes of metadata"),
        (make_heif([TILE, *[Item(b"Exif", bytes(80_000), ())] * 900]), "72,000,005 bytes of parts, expected"),
        (with_properties(*[make_box(b"irot", bytes([n])) for n in range(4)]), "turned again and again"),
        (with_properties(*[make_box(b"free", bytes([n])) for n in range(40)]), "too many properties"),
        (META[:-1], "it is cut off"),
        (META[:40], "it is cut off"),
        (longer(b"meta", 10**6), "it is cut off, or a box is longer than the file"),
        (longer(b"ipco", 10**4), "a box is longer than the file"),
        (longer(b"ipco", 4), "a box is longer than the file"),
        (longer(b"iinf", 30), "cannot be decoded"),
        (META + make_box(b"free") * 20_000, ""),
        (META[:24] + make_box(b"free") * 20_000 + META[24:], "too many boxes"),
        (make_heif([TILE], primary=2), "its picture has no size"),
        (make_heif([replace(TILE, properties=[])]), "its picture has no size"),
        (make_box(b"ftyp", b"heic", bytes(4)), "there is no picture in it"),
        (with_properties(kind=b"vvc1"), "a HEIF image coded as vvc1, expected HEVC or AV1"),
        (with_properties(kind=b"iovl"), "coded as iovl"),
        (make_box(b"ftyp", b"avis", bytes(4)), "a film, or a burst that plays, expected a single picture"),
        (make_box(b"ftyp", b"hevc", bytes(4)), "a film, or a burst that plays"),
        (make_box(b"ftyp", b"msf1", bytes(4)), "a film, or a burst that plays"),
    ],
)
def test_hostile_or_damaged_file_is_refused_before_it_is_opened(content: bytes, message: str) -> None:
    if not message:  # padding behind the boxes is not read
        assert heif_structure.read_heif(content).width == 64
        return
    with pytest.raises(PhotoError, match=message):
        decoding.decode_photo(content, 16)


def test_film_of_avif_is_refused() -> None:
    frames = [Image.new("RGB", (64, 64), name) for name in ("red", "blue")]
    with pytest.raises(PhotoError, match="a film, or a burst that plays, expected a single picture"):
        decoding.decode_photo(heif_files.save_avif(frames), 16)


def test_picture_that_is_coded_larger_than_it_says_is_refused() -> None:
    tile = encode_tile(Image.new("RGB", (600, 500)), AV1)
    lying = replace(tile, properties=[make_size(64, 64), *tile.properties[1:]])
    for items in ([lying], make_grid(lying, 2, 2, (128, 128))):
        with pytest.raises(PhotoError, match="a picture of 64 x 64 pixels is coded as 300,000"):
            decoding.decode_photo(make_heif(items, b"avif"), 16)


def test_largest_phones_are_within_the_limits() -> None:
    picture = heif_structure.read_heif(grid(24 * 18, (12_000, 9_000), Item(HEVC, b"x", [make_size(512, 512)])))
    assert (picture.codec, picture.width, picture.height) == (HEVC, 12_000, 9_000)


def test_colours_and_metadata_are_read() -> None:
    exif = Item(b"Exif", bytes(70), (), {b"cdsc": [1]})
    content = make_heif([replace(TILE, properties=[*TILE.properties, heif_files.make_nclx(12, 13)]), exif])
    picture = heif_structure.read_heif(content)
    assert picture.nclx == heif_structure.Nclx(12, 13)
    assert picture.metadata_bytes == 70
    assert heif_structure.read_heif(META).nclx is None


@given(st.data())
def test_any_damage_is_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(grid(3, (100, 100)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(20, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PhotoError):
        heif_structure.read_heif(bytes(content))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(content: bytes) -> None:
    with contextlib.suppress(PhotoError):
        heif_structure.read_heif(make_box(b"ftyp", b"heic", bytes(4)) + make_full_box(b"meta", content))
