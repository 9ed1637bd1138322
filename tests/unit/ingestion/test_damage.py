"""Damage that a decoder knows of is refused, or remarked where it changes no pixel; sound photos keep every bit."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks import damaged_photos
from benchmarks.costly_photos import COMPLETE_SCANS, make_chunk, make_jpeg, make_segment
from shoepair.data.naming import PhotoError
from shoepair.ingestion import damage, file_structure
from shoepair.ingestion.decoding import decode_photo

PICTURE, OTHER = (damaged_photos.make_picture(seed, 96, 72) for seed in (0, 1))
JPEG = damaged_photos.KINDS["JPEG"](PICTURE)
RAW_ROWS = b"".join(b"\0" + row.tobytes() for row in np.asarray(PICTURE))
JPEG_KINDS = [kind for kind in damaged_photos.KINDS if kind.startswith("JPEG")]
PNG_KINDS = [kind for kind in damaged_photos.KINDS if kind.startswith("PNG")]
SAMSUNG_SCAN = bytes(3)  # parameters of a scan that is not progressive, as phones of Samsung write them


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage blocks of 256 bytes: these photos have a few thousand."""
    monkeypatch.setattr(damaged_photos, "BLOCK", 256)


def count_outcomes(kind: str, *names: str) -> Counter[str]:
    """Damage a photo of this kind at every place in these ways; return the outcomes."""
    content, other = (damaged_photos.KINDS[kind](picture) for picture in (PICTURE, OTHER))
    sound = damaged_photos.decode_or_none(content)
    assert sound is not None
    damages = dict(damaged_photos.iter_damages(content, other))
    return Counter(
        damaged_photos.judge(damaged, *sound, {content, other}) for name in names for damaged in damages[name]
    )


def replace_scan_parameters(content: bytes, parameters: bytes) -> bytes:
    """Return a JPEG of one scan with other parameters of it."""
    (end,) = (part.end for part in file_structure.iter_jpeg_segments(content) if part.kind == file_structure.JPEG_SCAN)
    return content[: end - 3] + parameters + content[end:]


def make_png(packed: bytes, behind: bytes = b"") -> bytes:
    """Return a PNG of the picture's size with this compressed data, and chunks behind it."""
    header = struct.pack(">IIBBBBB", *PICTURE.size, 8, 2, 0, 0, 0)
    chunks = make_chunk(b"IHDR", header) + make_chunk(b"IDAT", packed) + behind + make_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def make_webp_with_metadata() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return damaged_photos.encode(PICTURE, "WEBP", quality=90, exif=exif.tobytes(), icc_profile=b"p" * 200, xmp=b"<x/>")


@pytest.mark.parametrize(
    "kind", [kind for kind in damaged_photos.KINDS if kind != "HEIC"]
)  # which Pillow does not read
def test_sound_photo_is_decoded_as_by_pillow_without_a_remark(kind: str) -> None:
    content = damaged_photos.KINDS[kind](PICTURE.resize((64, 64)))
    assert damage.find_damage_remarks(content) == ()
    assert damage.HARMLESS_REMARK not in decode_photo(content, 64).remarks
    with Image.open(io.BytesIO(content)) as image:
        if not image.has_transparency_data:
            assert np.array_equal(decode_photo(content, 64).pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", [*JPEG_KINDS, *PNG_KINDS])
def test_photo_cut_off_anywhere_is_refused_also_with_a_valid_end(kind: str) -> None:
    assert count_outcomes(kind, "cut off", "cut off, valid end") == {"refused": 198}


@pytest.mark.parametrize("kind", PNG_KINDS)
def test_damage_to_a_png_is_always_refused(kind: str) -> None:
    counts = count_outcomes(kind, "bit turned", "block missing", "block zeroed", "block of another")
    assert counts.keys() - {"unchanged"} == {"refused"}


@pytest.mark.parametrize("kind", JPEG_KINDS)
def test_missing_zeroed_and_doubled_blocks_of_a_jpeg_are_refused(kind: str) -> None:
    counts = count_outcomes(kind, "block missing", "block zeroed", "block doubled")
    assert counts["UNNOTICED"] <= 0.1 * counts.total(), counts


def test_missing_zeroed_and_mixed_blocks_of_a_heic_are_refused() -> None:
    counts = count_outcomes(
        "HEIC", "cut off", "cut off, valid end", "block missing", "block zeroed", "rest of another"
    )
    assert counts.keys() - {"unchanged"} == {"refused"}, counts


def iter_scan_starts(content: bytes) -> Iterator[int]:
    yield from (
        part.start - 2 for part in file_structure.iter_jpeg_segments(content) if part.kind == file_structure.JPEG_SCAN
    )


def test_progressive_jpeg_without_its_last_scans_is_refused() -> None:
    """The decoder does not warn: it takes them for a coarser picture."""
    content = damaged_photos.KINDS["JPEG progressive"](PICTURE)
    scan_starts = list(iter_scan_starts(content))
    assert len(scan_starts) > 5
    for start in scan_starts[1:]:
        with pytest.raises(PhotoError, match=r"damaged: scans are missing\): copy it from the camera again"):
            decode_photo(content[:start] + b"\xff\xd9", 16)


@pytest.mark.parametrize("scans", range(1, COMPLETE_SCANS))
def test_jpeg_without_the_scans_of_a_colour_is_refused(scans: int) -> None:
    assert decode_photo(make_jpeg(COMPLETE_SCANS, 32, 32), 16).remarks == ()
    with pytest.raises(PhotoError, match="damaged: scans are missing"):
        decode_photo(make_jpeg(scans, 32, 32), 16)


HARMLESS = {
    "film behind the end": (JPEG + b"\0\0\0\x18ftypmp42" + bytes(range(256)), ()),
    "second picture behind the end": (JPEG + JPEG[:500], ()),
    "fill bytes before the end": (JPEG[:-2] + b"\xff\xff\xff\xd9", ()),
    "zeros behind the picture": (JPEG[:-2] + bytes(1000) + b"\xff\xd9", (damage.HARMLESS_REMARK,)),
    "zeros in the place of the end": (JPEG[:-2] + bytes(1000), (damage.HARMLESS_REMARK,)),
    "bytes before a segment": (JPEG[:20] + b"\1" * 11 + JPEG[20:], (damage.HARMLESS_REMARK,)),
    "another version of JFIF": (JPEG.replace(b"JFIF\0\1", b"JFIF\0\3"), (damage.HARMLESS_REMARK,)),
    "scan of a Samsung": (replace_scan_parameters(JPEG, SAMSUNG_SCAN), (damage.HARMLESS_REMARK,)),
    "a piece of a profile": (
        JPEG[:2] + make_segment(0xE2, b"ICC_PROFILE\0\x09\x02abcdef") + JPEG[2:],
        (damage.HARMLESS_REMARK,),
    ),
}


@pytest.mark.parametrize("oddity", HARMLESS)
def test_odd_jpeg_of_a_camera_keeps_its_pixels(oddity: str) -> None:
    content, remarks = HARMLESS[oddity]
    photo = decode_photo(content, 64)
    assert photo.remarks == remarks
    assert np.array_equal(photo.pixels, decode_photo(JPEG, 64).pixels)


@pytest.mark.parametrize("oddity", ["bytes before a segment", "another version of JFIF", "scan of a Samsung"])
def test_harmless_warning_does_not_hide_damage(oddity: str) -> None:
    content, _ = HARMLESS[oddity]
    with pytest.raises(PhotoError, match=r"damaged: premature end of data segment\)"):
        decode_photo(content[: len(content) * 2 // 3] + b"\xff\xd9", 16)
    half = content[: len(content) * 2 // 3] + bytes(len(content) // 3)
    with pytest.raises(PhotoError, match="damaged"):
        decode_photo(half, 16)


def test_restart_markers_out_of_step_are_refused() -> None:
    content = damaged_photos.KINDS["JPEG restart"](PICTURE)
    place = content.index(b"\xff\xd2")
    with pytest.raises(PhotoError, match="damaged: found marker 0xd6 instead of RST2"):
        decode_photo(content[: place + 1] + b"\xd6" + content[place + 2 :], 16)


def test_jpeg_of_a_rare_sampling_is_read_and_remarked() -> None:
    content = bytearray(make_jpeg(COMPLETE_SCANS, 32, 32))
    place = content.index(bytes([3, 1, 0x11, 0]))
    content[place + 2] = 0x31  # three columns of brightness to one of colour
    assert decode_photo(bytes(content), 16).remarks == (damage.UNCHECKED_REMARK,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (make_png(zlib.compress(RAW_ROWS[:-1])), "rows of pixels are missing"),
        (make_png(zlib.compress(RAW_ROWS)[:-20]), "rows of pixels are missing"),
        (make_png(zlib.compress(RAW_ROWS)[:-4] + b"abcd"), "the picture cannot be unpacked"),
        (
            make_png(zlib.compress(RAW_ROWS), make_chunk(b"tEXt", b"a\0b")[:-1] + b"!"),
            "chunk tEXt is cut off or does not",
        ),
        (make_png(zlib.compress(RAW_ROWS))[:-12], "the end is missing"),
    ],
)
def test_incomplete_png_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(PhotoError, match=rf"damaged: {message}"):
        decode_photo(content, 16)


@pytest.mark.parametrize(
    "packed",
    [zlib.compress(RAW_ROWS)[:-4], zlib.compress(RAW_ROWS + RAW_ROWS), zlib.compress(RAW_ROWS) + b"x" * 1000],
)
def test_png_with_more_data_than_its_picture_is_remarked(packed: bytes) -> None:
    photo = decode_photo(make_png(packed), 64)
    assert photo.remarks == (damage.HARMLESS_REMARK,)
    assert np.array_equal(photo.pixels, decode_photo(make_png(zlib.compress(RAW_ROWS)), 64).pixels)


@pytest.mark.parametrize("size", [(16, 16), (17, 19), (40, 23)])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA"])
def test_rows_of_a_png_are_counted_in_every_mode(mode: str, size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    assert damage.HARMLESS_REMARK not in decode_photo(buffer.getvalue(), 16).remarks
    assert decode_photo(damaged_photos.encode_interlaced_png(Image.new("RGB", size)), 16).remarks == ()


@pytest.mark.parametrize("unpacked_at_once", [1, 1000, 2**20])
@pytest.mark.parametrize("length", [1, 100, 100_000])
def test_png_is_the_same_in_pieces_of_any_length(
    length: int, unpacked_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "UNPACKED_AT_ONCE", unpacked_at_once)
    packed = zlib.compress(RAW_ROWS[: RAW_ROWS.find(b"\0") + 1 + 3 * 96] * 72)  # rows of one kind: few bytes of many
    whole = decode_photo(make_png(packed), 64)
    pieces = [packed[start : start + length] for start in range(0, len(packed), length)]
    chunks = b"".join(make_chunk(b"IDAT", piece) + make_chunk(b"IDAT", b"") for piece in pieces[:-1])
    start, _, end = make_png(b"").partition(make_chunk(b"IDAT", b""))
    content = start + chunks + make_chunk(b"IDAT", pieces[-1])
    photo = decode_photo(content + end, 64)
    assert np.array_equal(photo.pixels, whole.pixels)
    assert photo.remarks == ()
    for more in (b"", b"x"):
        assert decode_photo(content + make_chunk(b"IDAT", more) + end, 64).remarks == (damage.HARMLESS_REMARK,)


@pytest.mark.parametrize("chunk", [b"EXIF", b"ICCP", b"XMP "])
def test_webp_that_lost_what_it_announces_is_remarked(chunk: bytes) -> None:
    content = make_webp_with_metadata()
    assert damage.find_damage_remarks(content) == ()
    assert damage.find_damage_remarks(content.replace(chunk, b"LOST")) == (damage.LOST_PART_REMARK,)


def test_webp_that_lost_its_transparency_is_remarked() -> None:
    content = damaged_photos.KINDS["WebP alpha"](PICTURE)
    assert damage.LOST_PART_REMARK in decode_photo(content.replace(b"ALPH", b"LOST"), 16).remarks


@pytest.mark.parametrize("kind", ["WebP", "WebP lossless", "WebP alpha"])
def test_webp_of_another_length_is_refused(kind: str) -> None:
    assert count_outcomes(kind, "cut off", "cut off, valid end", "block missing").keys() == {"refused"}


STARTS = [JPEG[:700], b"\xff\xd8\xff", make_png(b"")[:33], b"RIFF1234WEBPVP8X"]


@given(st.binary(max_size=300), st.sampled_from(STARTS))
def test_any_bytes_are_judged(tail: bytes, start: bytes) -> None:
    with contextlib.suppress(PhotoError):
        assert len(damage.find_damage_remarks(start + tail)) <= 1
