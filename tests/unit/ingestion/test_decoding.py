"""Names and decoding of photos."""

from __future__ import annotations

import io
import re
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from support.remote_photos import listed

from shoepair.data import naming
from shoepair.ingestion import decoding, parallel_decoding, reduced_decoding

RNG = np.random.default_rng(3)


@given(st.integers(0, 10**9), st.sampled_from((1, 2, 3)), st.sampled_from(naming.SIDES), st.sampled_from("mw"))
def test_name_is_parsed_into_its_parts(number: int, pair: int, side: str, category: str) -> None:
    name = naming.parse_photo_name(f"u{number:03}_{pair}_{side}_{category}.jpg")
    assert name == naming.PhotoName(f"u{number:03}", pair, side, category)


@given(st.text(max_size=30))
def test_any_other_text_is_refused_with_a_reason(text: str) -> None:
    if not naming.PHOTO_NAME_PATTERN.fullmatch(text):
        with pytest.raises(naming.PhotoError, match="expected"):
            naming.parse_photo_name(text)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_photo_of_the_right_size_is_untouched_bit_for_bit(tmp_path: Path, mode: str) -> None:
    pixels = RNG.integers(0, 256, (224, 224, len(mode)), np.uint8)
    pixels[..., 3:] = 255
    Image.fromarray(pixels).save(tmp_path / "a.jpg", "PNG")
    decoded = decoding.decode_photo(tmp_path / "a.jpg", 224).pixels
    assert decoded.dtype == np.uint8
    assert (decoded == pixels[..., :3]).all()


def test_format_is_read_from_the_bytes(tmp_path: Path) -> None:
    for encoding in ("PNG", "JPEG", "WEBP", "AVIF"):
        Image.new("RGB", (40, 40), "red").save(tmp_path / "a.gif", encoding)
        assert decoding.decode_photo(tmp_path / "a.gif", 16).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize("encoding", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(tmp_path: Path, encoding: str) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png", encoding)
    with pytest.raises(naming.PhotoError, match="not a JPEG, HEIC, PNG, WebP or AVIF image"):
        decoding.decode_photo(tmp_path / "a.png", 16)


def test_wide_photo_is_cropped_to_the_center(tmp_path: Path) -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 200
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert (decoding.decode_photo(tmp_path / "a.png", 32).pixels == 200).all()


def test_large_photo_is_reduced_with_antialiasing(tmp_path: Path) -> None:
    fine = (np.indices((320, 320)).sum(0) % 2 * 255).astype(np.uint8)  # a chessboard of single pixels
    Image.fromarray(fine).save(tmp_path / "a.png")
    reduced = decoding.decode_photo(tmp_path / "a.png", 32).pixels
    assert (np.abs(reduced.astype(int) - 127) <= 8).all(), "pixels were picked instead of averaged"


UPRIGHT = RNG.integers(0, 256, (16, 16, 3), np.uint8)
LYING = {  # EXIF orientation -> the pixels as the file holds them, after the standard's table
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),
}


def test_photo_is_turned_upright(tmp_path: Path) -> None:
    lying = np.zeros((32, 32, 3), np.uint8)
    lying[:, :16] = 250  # left half bright
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: the left side comes to the top
    Image.fromarray(lying).save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright = decoding.decode_photo(tmp_path / "a.jpg", 32).pixels
    assert upright[:12].min() > 200
    assert upright[20:].max() < 50


def claiming(path: Path, width: int, height: int) -> None:
    """Write a PNG of a few hundred bytes whose header claims this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10**5))), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def test_photo_that_claims_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    claiming(tmp_path / "a.png", 60_000, 60_000)
    tracemalloc.start()
    with pytest.raises(naming.PhotoError, match="60000 x 60000 pixels, expected 64 million at most: scale it down"):
        decoding.decode_photo(tmp_path / "a.png", 16)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((1, 1), "1 x 1 pixels, expected 16 or more on each side"),
        ((400, 15), "400 x 15 pixels, expected 16 or more on each side"),
        ((20, 900), r"20 x 900 pixels, expected sides of at most 4 to 1: crop it to the shoe"),
    ],
)
def test_photo_that_is_too_small_or_too_long_is_refused(tmp_path: Path, size: tuple[int, int], message: str) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(naming.PhotoError, match=message):
        decoding.decode_photo(tmp_path / "a.png", 16)


def test_error_of_the_operating_system_is_no_photo_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decoding.decode_photo(tmp_path / "missing.png", 32)
    with pytest.raises(IsADirectoryError):
        decoding.decode_photo(tmp_path, 32)


def test_photo_of_60_megapixels_is_read(tmp_path: Path) -> None:
    Image.new("L", (10_000, 6_000), 90).save(tmp_path / "a.jpg", "JPEG")
    assert (decoding.decode_photo(tmp_path / "a.jpg", 32).pixels == 90).all()


def test_png_that_is_copied_while_it_is_decoded_may_have_fewer_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("LA", (6_250, 4_001), (90, 100)).save(path, compress_level=1)
    with pytest.raises(naming.PhotoError, match="6250 x 4001 pixels, expected 25 million at most: scale it down"):
        decoding.decode_photo(path, 32)


def limits(image: Image.Image, encoding: str, **options: object) -> tuple[int, int]:
    """Return how many million pixels such a photo may have, and may have to be decoded whole."""
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    content = buffer.getvalue()
    photo_format = decoding._find_format(content)
    with photo_format.open_image(io.BytesIO(content)) as opened:
        profile = opened.info.get("icc_profile")
        work = photo_format.count_work(content)
        most, whole = decoding._max_pixels_of(opened, profile, work), decoding._max_whole_pixels_of(opened, profile)
    return most // 10**6, whole // 10**6


def test_limits_follow_from_the_memory_that_a_decoder_takes() -> None:
    colour, grey = Image.new("RGB", (64, 48), "teal"), Image.new("L", (64, 48))
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = plain.replace("sRGB".encode("utf-16-be"), "grey".encode("utf-16-be"))
    assert limits(colour, "PNG") == (64, 64)
    assert limits(colour, "PNG", icc_profile=plain) == (64, 64), "nothing is copied for the profile of sRGB"
    assert limits(colour, "PNG", icc_profile=other) == (25, 25)
    assert limits(colour, "JPEG") == limits(grey, "JPEG") == (200, 64)
    assert limits(colour, "JPEG", icc_profile=other) == limits(colour.convert("CMYK"), "JPEG") == (200, 25)
    assert limits(colour, "JPEG", progressive=True) == (133, 25)
    assert limits(colour, "JPEG", progressive=True, subsampling=0) == (66, 25)
    assert limits(grey, "JPEG", progressive=True) == (200, 25)
    assert limits(colour, "AVIF") == (120, 25)


def test_limits_of_a_webp_follow_from_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    colour = Image.new("RGB", (64, 48), "teal")
    clear = Image.new("RGBA", (64, 48), (9, 9, 9, 9))
    assert limits(colour, "WEBP") == (12, 12)
    monkeypatch.setattr(reduced_decoding, "MAX_WHOLE_WEBP", 1_000)
    assert limits(colour, "WEBP")[0] == 133
    assert limits(clear, "WEBP")[0] == 66
    assert limits(colour, "WEBP", lossless=True)[0] == 50


@pytest.mark.parametrize("orientation", LYING)
def test_every_orientation_of_a_larger_photo_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    smooth = Image.fromarray(RNG.integers(0, 256, (5, 5, 3), np.uint8)).resize((61, 45), Image.Resampling.BICUBIC)
    inverse = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}  # orientation -> the one whose turn undoes it
    lying = smooth if orientation == 1 else smooth.transpose(decoding.TRANSPOSE_BY_ORIENTATION[inverse[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth.save(tmp_path / "upright.png")
    lying.save(tmp_path / "lying.png", exif=exif)
    upright, turned = (
        decoding.decode_photo(tmp_path / f"{name}.png", 16).pixels.astype(int) for name in ("upright", "lying")
    )
    assert np.abs(upright - turned).max() <= 1, "more than rounding"


@pytest.mark.parametrize("encoding", ["PNG", "WEBP"])
def test_animated_picture_is_refused(tmp_path: Path, encoding: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.png", encoding, save_all=True, append_images=frames[1:])
    with pytest.raises(naming.PhotoError, match="animated, expected a single picture"):
        decoding.decode_photo(tmp_path / "a.png", 16)


def test_photos_are_yielded_in_order_and_all_errors_are_reported(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(120)]
    for number, path in enumerate(files):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(path)
    files[3].write_bytes(b"")
    files[110].write_bytes(b"x")
    photos = parallel_decoding.iter_decoded_photos_or_errors([listed(path) for path in files], 16)
    reds = [None if isinstance(photo, naming.PhotoError) else int(photo.pixels[0, 0, 0]) for photo in photos]
    assert reds == [None if number in {3, 110} else number for number in range(120)]


def test_file_that_is_too_large_is_refused_and_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(decoding.MAX_FILE_BYTES + 1)  # takes no space on the disk
    tracemalloc.start()
    with pytest.raises(naming.PhotoError, match="64,000,001 bytes, expected 64,000,000 at most: save it as JPEG"):
        decoding.decode_photo(tmp_path / "a.jpg", 16)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_content_is_decoded_like_its_file(tmp_path: Path) -> None:
    Image.fromarray(RNG.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    expected = decoding.decode_photo(tmp_path / "a.jpg", 16).pixels
    assert (decoding.decode_photo(content, 16).pixels == expected).all()
    assert (decoding.decode_photo(io.BytesIO(content), 16).pixels == expected).all()


def test_six_photos_are_stacked_per_student_in_order() -> None:
    decoded = [decoding.DecodedPhoto(np.full((16, 16, 3), number, np.uint8), (16, 16)) for number in range(12)]
    first, second = parallel_decoding.iter_student_photo_stacks(decoded, 16)
    assert first.shape == (3, 2, 16, 16, 3)
    assert first[..., 0, 0, 0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert second[2, 1].min() == 11


def test_tall_photo_is_cropped_to_the_center(tmp_path: Path) -> None:
    tall = np.zeros((96, 32, 3), np.uint8)
    tall[32:64] = 200
    Image.fromarray(tall).save(tmp_path / "a.png")
    assert (decoding.decode_photo(tmp_path / "a.png", 32).pixels == 200).all()


@pytest.mark.parametrize("orientation", LYING)
def test_every_orientation_ends_upright_bit_for_bit(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(LYING[orientation])).save(tmp_path / "a.png", exif=exif)
    assert (decoding.decode_photo(tmp_path / "a.png", 16).pixels == UPRIGHT).all()


@pytest.mark.parametrize(
    ("mode", "encoding"), [("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("L", "JPEG")]
)
def test_photo_without_three_channels_becomes_rgb(tmp_path: Path, mode: str, encoding: str) -> None:
    Image.new("RGB", (16, 16), "white").convert(mode).save(tmp_path / "a.png", encoding)
    decoded = decoding.decode_photo(tmp_path / "a.png", 16).pixels
    assert decoded.shape == (16, 16, 3)
    assert (decoded == 255).all()


def test_print_colours_become_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = decoding.decode_photo(tmp_path / "a.jpg", 16).pixels[8, 8].tolist()
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("encoding", ["PNG", "JPEG", "WEBP"])
def test_truncated_photo_is_refused(tmp_path: Path, encoding: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, encoding, quality=95)
    content = buffer.getvalue()
    for length in (0, 1, 8, 20, 40, 100, 1000, len(content) - 100):
        (tmp_path / "a.jpg").write_bytes(content[:length])
        with pytest.raises(naming.PhotoError, match="cannot be decoded"):
            decoding.decode_photo(tmp_path / "a.jpg", 16)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("u052_1_left_m.\u017f", "has '\\u017f' in it, latin small letter long s"),
        ("u052_1_left_m.jp\u212a", "kelvin sign"),
        ("u\u0665_1_left_m.jpg", "arabic-indic digit five"),
        ("u052_1_l\u0435ft_m.jpg", "cyrillic small letter ie"),
        ("u052_1_left_m.jp\udcff", "not UTF-8"),
        ("u052_1_left_m.jpg ", "not a photo's name, expected like"),
    ],
)
def test_letters_that_only_look_like_ascii_are_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(naming.PhotoError, match=re.escape(message)):
        naming.parse_photo_name(name)


def test_student_with_a_damaged_photo_is_not_stacked() -> None:
    photo = decoding.DecodedPhoto(np.zeros((16, 16, 3), np.uint8), (16, 16))
    photos: list[decoding.DecodedPhoto | naming.PhotoError] = [photo, photo, photo, photo, photo]
    photos.append(naming.PhotoError("cut"))
    with pytest.raises(naming.PhotoError, match="cut"):
        list(parallel_decoding.iter_student_photo_stacks(photos, 16))


def test_invalid_exif_entry_beside_the_orientation_is_no_error(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x011A] = 72.0
    Image.new("RGB", (16, 16)).save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    entry = b"\x01\x1a\x00\x05\x00\x00\x00\x01"  # the resolution, said to be a rational
    assert content.count(entry) == 1
    (tmp_path / "a.jpg").write_bytes(content.replace(entry, b"\x01\x1a\x00\x02\x00\x00\x00\x01"))  # said to be text
    assert decoding.decode_photo(tmp_path / "a.jpg", 16).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis"])
def test_heic_and_avif_without_a_picture_are_refused(tmp_path: Path, brand: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(100))
    with pytest.raises(naming.PhotoError, match=r"cannot be decoded|a film, or a burst that plays"):
        decoding.decode_photo(tmp_path / "a.jpg", 16)
