"""Damage to photos of every kind, and how much of it `decode_photo` notices: a table.

    python -m benchmarks.damaged_photos [KIND ...]

Each kind of photo is damaged at every place: cut off, with and without a valid end behind the cut; single bits turned;
blocks of 4096 bytes taken out, zeroed, or taken from another photo, as by a failing disk or a broken download. A
photo that is refused, flagged or decoded to the same pixels is right; one that is decoded to others is not.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.costly_photos import make_chunk
from benchmarks.heif_files import encode_tile, make_heif, save_avif
from shoepair.data.naming import PhotoError
from shoepair.ingestion.decoding import decode_photo

EDGE = 224
BLOCK = 4096  # bytes: of a disk, and of what a download is written in
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def make_picture(seed: int, width: int = 400, height: int = 300) -> Image.Image:
    """Return a picture with plain areas, edges and noise, as photos have them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    canvas = np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], axis=2).astype(float)
    for _ in range(30):
        left, top = rng.integers(0, width), rng.integers(0, height)
        radius = rng.integers(width // 40, width // 6)
        canvas[(x - left) ** 2 + (y - top) ** 2 < radius**2] = rng.integers(0, 256, 3)
    canvas += rng.normal(0, 6, canvas.shape) * (x > width // 2)[..., None]
    return Image.fromarray(canvas.clip(0, 255).astype(np.uint8))


def encode(image: Image.Image, encoding: str, mode: str = "RGB", **options: object) -> bytes:
    """Return an image as a file in this encoding."""
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, encoding, **options)
    return buffer.getvalue()


def encode_with_alpha(image: Image.Image, encoding: str, **options: object) -> bytes:
    """Return an image with a transparent edge as a file in this encoding."""
    alpha = Image.fromarray(np.linspace(0, 255, image.width).astype(np.uint8)[None].repeat(image.height, 0))
    image = image.copy()
    image.putalpha(alpha)
    return encode(image, encoding, "RGBA", **options)


def encode_interlaced_png(image: Image.Image) -> bytes:
    """Return an RGB image as an interlaced PNG, which Pillow reads and does not write."""
    pixels = np.asarray(image.convert("RGB"))
    rows = b"".join(
        b"\0" + row.tobytes() for left, top, right, down in ADAM7 for row in pixels[top::down, left::right]
    )
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    data = zlib.compress(rows)
    pieces = b"".join(make_chunk(b"IDAT", data[start : start + 8192]) for start in range(0, len(data), 8192))
    return b"\x89PNG\r\n\x1a\n" + make_chunk(b"IHDR", header) + pieces + make_chunk(b"IEND", b"")


def encode_heic(image: Image.Image) -> bytes:
    """Return an image as a HEIC."""
    return make_heif([encode_tile(image)])


def encode_avif(image: Image.Image) -> bytes:
    """Return an image as an AVIF."""
    return save_avif([image])


KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": partial(encode, encoding="JPEG", quality=90),
    "JPEG 4:4:4": partial(encode, encoding="JPEG", quality=95, subsampling=0, optimize=True),
    "JPEG restart": partial(encode, encoding="JPEG", quality=90, restart_marker_rows=1),
    "JPEG grey": partial(encode, encoding="JPEG", mode="L", quality=90),
    "JPEG CMYK": partial(encode, encoding="JPEG", mode="CMYK", quality=90),
    "JPEG progressive": partial(encode, encoding="JPEG", quality=90, progressive=True),
    "PNG": partial(encode, encoding="PNG"),
    "PNG alpha": partial(encode_with_alpha, encoding="PNG"),
    "PNG palette": partial(encode, encoding="PNG", mode="P"),
    "PNG interlaced": encode_interlaced_png,
    "WebP": partial(encode, encoding="WEBP", quality=90),
    "WebP lossless": partial(encode, encoding="WEBP", lossless=True),
    "WebP alpha": partial(encode_with_alpha, encoding="WEBP", quality=90),
    "HEIC": encode_heic,
    "AVIF": encode_avif,
}


def end_validly(content: bytes) -> bytes:
    """Put a valid end behind a file that was cut off."""
    if content.startswith(b"\xff\xd8"):
        return content + b"\xff\xd9"
    if content.startswith(b"\x89PNG"):
        return content + make_chunk(b"IEND", b"")
    return content[:4] + struct.pack("<I", max(0, len(content) - 8)) + content[8:]


def iter_cuts(content: bytes) -> Iterator[bytes]:
    """Yield the file cut off after each hundredth."""
    for hundredth in range(1, 100):
        yield content[: len(content) * hundredth // 100]


def iter_cuts_with_end(content: bytes) -> Iterator[bytes]:
    """Yield the file cut off after each hundredth, with a valid end."""
    yield from map(end_validly, iter_cuts(content))


def iter_turned_bits(content: bytes, number: int = 300) -> Iterator[bytes]:
    """Yield the file with one bit turned, at places drawn at random."""
    for place in np.random.default_rng(1).integers(0, 8 * len(content), number):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        yield bytes(damaged)


def iter_blocks(content: bytes) -> Iterator[slice]:
    """Yield the places of the blocks of a file."""
    for start in range(0, len(content), BLOCK):
        yield slice(start, min(start + BLOCK, len(content)))


def iter_missing_blocks(content: bytes) -> Iterator[bytes]:
    """Yield the file without one block."""
    for block in iter_blocks(content):
        yield content[: block.start] + content[block.stop :]


def iter_zeroed_blocks(content: bytes) -> Iterator[bytes]:
    """Yield the file with one block of zeros."""
    for block in iter_blocks(content):
        yield content[: block.start] + bytes(block.stop - block.start) + content[block.stop :]


def iter_doubled_blocks(content: bytes) -> Iterator[bytes]:
    """Yield the file with one block twice, as by a download that went on at the wrong place."""
    for block in iter_blocks(content):
        yield content[: block.stop] + content[block.start :]


def iter_foreign_blocks(content: bytes, other: bytes) -> Iterator[bytes]:
    """Yield the file with one block of another file of its kind."""
    for block in iter_blocks(content):
        yield content[: block.start] + other[block].ljust(block.stop - block.start, b"\0") + content[block.stop :]


def iter_mixed_blocks(content: bytes, other: bytes) -> Iterator[bytes]:
    """Yield the file whose blocks are those of another file from each place on."""
    for block in iter_blocks(content):
        yield content[: block.start] + other[block.start :]


def decode_or_none(content: bytes) -> tuple[NDArray[np.uint8], tuple[str, ...]] | None:
    """Decode a photo; return its pixels and remarks, or None if it is refused."""
    try:
        photo = decode_photo(content, EDGE)
    except PhotoError:
        return None
    return photo.pixels, photo.remarks


def judge(content: bytes, sound: NDArray[np.uint8], remarks: tuple[str, ...], same: set[bytes]) -> str:
    """Return how a damaged photo is treated: refused, flagged, the same pixels or others."""
    if content in same:
        return "unchanged"
    decoded = decode_or_none(content)
    if decoded is None:
        return "refused"
    equal = np.array_equal(decoded[0], sound)
    if set(decoded[1]) - set(remarks):
        return "flagged" if equal else "flagged, other pixels"
    return "same pixels" if equal else "UNNOTICED"


def iter_damages(content: bytes, other: bytes) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield each kind of damage to a photo with the damaged files."""
    yield "cut off", iter_cuts(content)
    yield "cut off, valid end", iter_cuts_with_end(content)
    yield "bit turned", iter_turned_bits(content)
    yield "block missing", iter_missing_blocks(content)
    yield "block zeroed", iter_zeroed_blocks(content)
    yield "block doubled", iter_doubled_blocks(content)
    yield "block of another", iter_foreign_blocks(content, other)
    yield "rest of another", iter_mixed_blocks(content, other)


def main(names: list[str]) -> None:
    """Print the table."""
    for kind, encode_picture in KINDS.items():
        if names and kind not in names:
            continue
        content, other = encode_picture(make_picture(0)), encode_picture(make_picture(1))
        sound = decode_or_none(content)
        if sound is None:
            sys.exit(f"{kind}: the sound photo is refused")
        for damage, damaged_files in iter_damages(content, other):
            counts = Counter(judge(damaged, *sound, {content, other}) for damaged in damaged_files)
            print(f"{kind:17} {len(content):7,}  {damage:18}", "; ".join(f"{n} {o}" for o, n in counts.most_common()))


if __name__ == "__main__":
    main(sys.argv[1:])
