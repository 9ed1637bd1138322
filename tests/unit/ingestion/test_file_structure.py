"""Photos that are cheap to send and dear to decode are refused by counts, before they are decoded."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from benchmarks.costly_photos import (
    ARITHMETIC,
    COMPLETE_SCANS,
    PROGRESSIVE,
    make_animation,
    make_chunk,
    make_jpeg,
    make_packed_text,
    make_png,
    make_profile,
    make_segment,
    make_webp,
    make_webp_chunk,
)
from shoepair.data.naming import PhotoError
from shoepair.ingestion import decoding, file_structure

EDGE = 16
EXIF = make_segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + bytes(65_000))
QUANTIZATION = make_segment(0xDB, bytes([0, *[1] * 64]) * 1000)
EMPTY_SEGMENT = make_segment(0xE5, b"")


def with_profile(profile: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(buffer, "JPEG", icc_profile=profile)
    return buffer.getvalue()


@pytest.fixture
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it an error to offer a photo to a decoder."""

    def opened(_content: object) -> Image.Image:
        pytest.fail("the photo was offered to a decoder")

    formats = tuple(photo_format._replace(open_image=opened) for photo_format in decoding.PHOTO_FORMATS)
    monkeypatch.setattr(decoding, "PHOTO_FORMATS", formats)


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            make_jpeg(8_000, 2000, 1500),
            "8,000 scans of 2000 x 1500 pixels, expected 366 at most: save it as a JPEG that",
        ),
        (make_jpeg(8_000, 2000, 1500, ARITHMETIC), "8,000 scans of 2000 x 1500 pixels, expected 366 at most"),
        (make_jpeg(60_000, 16, 16), "more than 50,000 segments"),
        (make_jpeg(1, 16, 16, extra=EMPTY_SEGMENT * 60_000), "more than 50,000 segments"),
        (
            make_jpeg(1, 16, 16, extra=b"\xff" * 2_000_000),
            "2,000,1.. bytes of tables and fill, expected 1,000,000 at most",
        ),
        (b"\xff\xd8\xff\xd9" + b"\xff" * 2_000_000, "bytes of tables and fill"),
        (b"\xff\xd8\xff" + bytes(2_000_000), "bytes of tables and fill"),
        (make_jpeg(1, 16, 16, extra=QUANTIZATION * 20), "bytes of tables and fill"),
        (
            make_jpeg(1, 16, 16, extra=EXIF * 500),
            "32,50.,... bytes of metadata, expected 32,000,000 at most: save it without",
        ),
        (make_png(32, pieces=60_000), "more than 50,000 segments"),
        (make_png(32, make_packed_text(2**20) * 32), "33,554,... bytes of metadata, expected 32,000,000 at most"),
        (make_png(32, make_packed_text(2**20, b"iCCP") * 32), "bytes of metadata"),
        (make_png(32, make_packed_text(2**20, b"iTXt") * 32), "bytes of metadata"),
        (make_webp(32, make_webp_chunk(b"NONE", b"") * 60_000), "more than 50,000 segments"),
        (make_webp(32, make_webp_chunk(b"XMP ", bytes(33_000_000))), "33,000,... bytes of metadata"),
    ],
)
def test_file_that_asks_for_too_much_work_is_refused_before_it_is_opened(content: bytes, message: str) -> None:
    with pytest.raises(PhotoError, match=message):
        decoding.decode_photo(content, EDGE)


@pytest.mark.parametrize(
    "content",
    [
        make_jpeg(8_000, 300, 300),
        make_jpeg(20, 24, 24, PROGRESSIVE),
        make_jpeg(COMPLETE_SCANS, 16, 16, extra=EXIF * 150),
        make_jpeg(COMPLETE_SCANS, 16, 16)
        + b"\xff" * 2_000_000,  # behind the end, where phones put a second picture or a film
        make_jpeg(COMPLETE_SCANS, 16, 16) + make_jpeg(9_000, 2000, 1500),
        make_png(32) + bytes(2_000_000),
        make_webp(32, b"") + bytes(2_000_000),
        make_png(32, pieces=8_000),
        make_png(32, make_packed_text(2**20) * 4),
        make_png(32, make_chunk(b"iTXt", b"Comment\0\0\0\0\0" + bytes(20_000)) * 40),
        make_webp(32, make_webp_chunk(b"XMP ", bytes(9_000_000))),
        with_profile(make_profile(0)),
        with_profile(make_profile(20)),
    ],
)
def test_file_within_the_limits_is_decoded(content: bytes) -> None:
    assert decoding.decode_photo(content, EDGE).pixels.shape == (EDGE, EDGE, 3)


@pytest.mark.parametrize(("encoding", "frames"), [("PNG", 2), ("PNG", 200), ("WEBP", 2), ("WEBP", 200)])
def test_frames_are_refused_whatever_their_number(encoding: str, frames: int) -> None:
    with pytest.raises(PhotoError, match="animated, expected a single picture"):
        decoding.decode_photo(make_animation(encoding, frames), EDGE)


@pytest.mark.parametrize("elements", [200, 100_000])
def test_profile_of_many_elements_is_refused(elements: int) -> None:
    expected = rf"a colour profile with {elements:,} processing elements, expected \d+ at most: save it as sRGB"
    with pytest.raises(PhotoError, match=expected):
        decoding.decode_photo(with_profile(make_profile(elements)), EDGE)


@given(st.binary(max_size=400))
def test_any_profile_is_counted(profile: bytes) -> None:
    file_structure.raise_if_profile_is_too_complex(make_profile(0)[:150] + profile)
    file_structure.raise_if_profile_is_too_complex(profile[:200])


@pytest.mark.parametrize(
    ("options", "scans"), [({}, 1), ({"progressive": True}, 10), ({"progressive": True, "optimize": True}, 10)]
)
def test_scans_of_usual_photos_are_far_below_the_limit(options: dict[str, bool], scans: int) -> None:
    buffer = io.BytesIO()
    noise = Image.effect_noise((256, 192), 60)
    Image.merge("RGB", [noise, noise, noise]).save(buffer, "JPEG", quality=95, **options)
    work = file_structure.count_jpeg_work(buffer.getvalue())
    assert (work.scans, work.width, work.height) == (scans, 256, 192)
    assert 4 * scans * decoding.MAX_WHOLE_PIXELS_COPIED <= file_structure.MAX_SCANNED_PIXELS
    assert work.table_bytes < 5_000


@given(st.data())
def test_segments_are_those_that_the_decoder_reads(data: st.DataObject) -> None:
    """Fill bytes, restart and unknown markers, and segments of any length: Pillow reports the same metadata."""
    parts = [
        make_segment(0xE5, b"a\xff\xdab"),
        make_segment(0xFE, b"\xff\xd9"),
        make_segment(0xE0, b""),
        b"\xff",
        b"\xff\x00",
        b"\xff\xd3",
        b"\0\0\0",
        b"\xff\xd9",
    ]
    extra = EMPTY_SEGMENT + b"".join(data.draw(st.lists(st.sampled_from(parts), max_size=12)))
    content = make_jpeg(2, 16, 16, extra=extra)
    with JpegImageFile(io.BytesIO(content)) as image:
        read = sum(2 + len(segment) for _, segment in image.applist)
    work = file_structure.count_jpeg_work(content)
    assert (work.metadata_bytes, work.scans) == (read, 2)
    assert work.table_bytes + work.metadata_bytes >= len(extra)


@given(st.binary(max_size=300), st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF1234WEBP"]))
def test_any_bytes_are_counted(tail: bytes, signature: bytes) -> None:
    (photo_format,) = (one for one in decoding.PHOTO_FORMATS if one.signature.match(signature))
    work = photo_format.count_work(signature + tail)
    assert min(work.metadata_bytes, work.table_bytes, work.scans) >= 0


def test_limits_hold_for_a_file_as_for_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(make_jpeg(8_000, 2000, 1500))
    with pytest.raises(PhotoError, match="8,000 scans"):
        decoding.decode_photo(path, EDGE)
