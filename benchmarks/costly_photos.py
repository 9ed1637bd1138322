"""Photos that are cheap to send and dear to decode: many scans, segments, chunks, frames; packed text and profiles.

Each is a sound file of its format, but for what it holds too much of. The fuzzer mutates small ones; the tests of
`shoepair/ingestion/file_structure.py` make them as large as its limits.
"""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

RESTART = 0xDD
PROGRESSIVE, ARITHMETIC = 0xC2, 0xCA  # frames of a JPEG
COMPLETE_SCANS = 4


def make_segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def make_jpeg(scans: int, width: int, height: int, frame: int = PROGRESSIVE, extra: bytes = b"") -> bytes:
    """Return a JPEG in three colours whose scans visit every pixel and change nothing.

    Args:
        scans: 13 bytes each, but for the first; from `COMPLETE_SCANS` on, the picture is complete.
        width: of the picture.
        height: of the picture.
        frame: marker; `PROGRESSIVE` or `ARITHMETIC`.
        extra: segments before the first scan.
    """
    quantization = make_segment(0xDB, bytes([0, *[1] * 64]))
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    size = make_segment(frame, struct.pack(">BHHB", 8, height, width, 3) + components)
    tables = make_segment(0xC4, bytes([0x00, 1, *[0] * 15, 0])) + make_segment(0xC4, bytes([0x10, 1, *[0] * 15, 0xE0]))
    blocks = -(-width // 8) * -(-height // 8)
    first = make_segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 0, 0])) + bytes(-(-3 * blocks // 8))
    # The highest 63 coefficients of each colour in turn; the data say: nothing in the next 32,767 blocks.
    later = [make_segment(0xDA, bytes([1, number, 0, 1, 63, 0])) + b"\x7f\xff\x00" for number in (1, 2, 3)]
    scan_texts = [first, *(later[number % 3] for number in range(scans - 1))]
    return b"\xff\xd8" + extra + quantization + size + tables + b"".join(scan_texts) + b"\xff\xd9"


def make_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def make_png(edge: int, extra: bytes = b"", pieces: int = 1) -> bytes:
    """Return a grey PNG of edge x edge pixels.

    Args:
        edge: of the picture.
        extra: chunks before the picture.
        pieces: the picture's data comes in one chunk, with as many empty ones that the total is this.
    """
    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0))
    data = make_chunk(b"IDAT", zlib.compress((b"\0" + bytes(edge)) * edge))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + extra
        + make_chunk(b"IDAT", b"") * (pieces - 1)
        + data
        + make_chunk(b"IEND", b"")
    )


def make_packed_text(length: int, kind: bytes = b"zTXt") -> bytes:
    """Return a chunk of a PNG, text or a colour profile, that unpacks to so many bytes."""
    prefix = b"Comment\0\x01\0\0\0" if kind == b"iTXt" else b"Comment\0\0"
    return make_chunk(kind, prefix + zlib.compress(bytes(length), 9))


def make_animation(encoding: str, frames: int) -> bytes:
    """Return an animated PNG or WebP."""
    images = [Image.new("RGB", (16, 16), (number * 90 % 256, number, 0)) for number in range(frames)]
    buffer = io.BytesIO()
    images[0].save(buffer, encoding, save_all=True, append_images=images[1:])
    return buffer.getvalue()


def make_webp(edge: int, extra: bytes = b"") -> bytes:
    """Return a WebP of edge x edge pixels, with chunks behind the picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (edge, edge), "teal").save(buffer, "WEBP", icc_profile=make_profile(0))  # so it has a header
    content = buffer.getvalue() + extra
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def make_webp_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a WebP."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def make_profile(elements: int) -> bytes:
    """Return an RGB colour profile whose conversion runs through so many elements, 8 bytes each: all are the same."""
    matrix = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 1, 1e-4, 0, 0, 1, 1e-4, 0, 0, 1, 0, 0, 0)
    position = struct.pack(">II", 16 + 8 * elements, len(matrix))
    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D),
        b"rXYZ": b"XYZ \0\0\0\0" + struct.pack(">3i", 28_000, 14_000, 900),
        b"gXYZ": b"XYZ \0\0\0\0" + struct.pack(">3i", 25_000, 47_000, 6_000),
        b"bXYZ": b"XYZ \0\0\0\0" + struct.pack(">3i", 9_000, 4_000, 46_000),
        b"rTRC": b"curv" + bytes(8),
        b"gTRC": b"curv" + bytes(8),
        b"bTRC": b"curv" + bytes(8),
    }
    if elements:
        tags[b"D2B0"] = b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, elements) + position * elements + matrix
    table, contents, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(contents), len(content))
        contents += content
    header = struct.pack(">8xI4s4s4s", 0x04400000, b"mntr", b"RGB ", b"XYZ ").ljust(24, b"\0")
    header += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    profile = header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + contents
    return struct.pack(">I", len(profile)) + profile[4:]
