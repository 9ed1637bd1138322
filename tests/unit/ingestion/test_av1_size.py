"""The size in the sequence header of an AV1 bitstream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.heif_files import encode_tile, save_avif
from shoepair.ingestion import av1_size, heif_structure


@pytest.mark.parametrize("size", [(64, 64), (65, 200), (1024, 17)])
def test_size_of_a_still_picture_is_read(size: tuple[int, int]) -> None:
    tile = encode_tile(Image.new("RGB", size), heif_structure.AV1)
    assert av1_size.find_largest_size(tile.content) == size[0] * size[1]


def test_size_of_a_film_is_read() -> None:
    content = save_avif([Image.new("RGB", (96, 80), name) for name in ("red", "blue")])
    media = content[content.rindex(b"mdat") + 4 :]
    assert av1_size.find_largest_size(media) == 96 * 80


def test_timing_and_operating_points_are_skipped() -> None:
    bits = "000" + "0" + "0"  # profile, still picture, header of one picture
    bits += "1" + "0" * 63 + "1" + "1" + "00101"  # timing; equal pictures: 2 zeros, a one, 2 bits
    bits += "1" + "01001" + "0" * 42  # decoder model: delays of 10 bits
    bits += "1" + "00001"  # display delays; two operating points
    bits += "0" * 12 + "01000" + "1" + "1" + "0" * 21 + "1" + "0101"
    bits += "0" * 12 + "00101" + "0" + "0"
    bits += f"{10:04b}{9:04b}{1919:011b}{1079 - 100:010b}"
    header = int(bits.ljust(8 * 40, "0"), 2).to_bytes(40, "big")
    obu = bytes([1 << 3 | 2, len(header)]) + header
    assert av1_size.find_largest_size(b"\x12\0" + obu) == 1920 * 980


def test_content_without_a_header_has_no_size() -> None:
    assert av1_size.find_largest_size(b"") == 0
    assert av1_size.find_largest_size(b"\x12\0" * 20_000) == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_read(content: bytes) -> None:
    assert av1_size.find_largest_size(content) >= 0
