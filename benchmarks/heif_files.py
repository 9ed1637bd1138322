"""HEIC and AVIF files put together by hand: grids, turned, with other colours, auxiliary pictures, too many parts.

A small picture is encoded by a library; its coded bytes and the entry for its decoder are then listed in boxes of our
own, so that a grid of 108 million pixels takes as long to make as one tile.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pillow_heif
from PIL import Image

from benchmarks.costly_photos import make_profile
from shoepair.ingestion import heif_structure

DISPLAY_P3, BT_2020, PQ, HLG = 12, 9, 16, 18
ESSENTIAL = frozenset({b"hvcC", b"av1C", b"irot", b"imir", b"clap"})  # properties without which it cannot be shown
DEPTH_TYPE = b"urn:mpeg:hevc:2015:auxid:2\0"


def make_box(kind: bytes, *contents: bytes) -> bytes:
    """Return a box."""
    content = b"".join(contents)
    return struct.pack(">I4s", len(content) + 8, kind) + content


def make_full_box(kind: bytes, *contents: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box with version and flags."""
    return make_box(kind, struct.pack(">I", version << 24 | flags), *contents)


def make_nclx(primaries: int, transfer: int, matrix: int = 6, full: int = 1) -> bytes:
    """Return a property: colours by the codes of H.273."""
    return make_box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, full << 7))


def make_size(width: int, height: int) -> bytes:
    """Return a property: the size of a picture."""
    return make_full_box(b"ispe", struct.pack(">II", width, height))


@dataclass
class Item:
    """An item of a file: its type, its bytes, its properties, and references to other items by their numbers."""

    kind: bytes
    content: bytes
    properties: Sequence[bytes] = ()
    references: dict[bytes, list[int]] = field(default_factory=dict)


def make_heif(items: Sequence[Item], brand: bytes = b"heic", primary: int = 1, behind: bytes = b"") -> bytes:
    """Return a file of items, numbered from 1; items of the same bytes share them."""
    properties = list(dict.fromkeys(one for item in items for one in item.properties))
    numbers = range(1, len(items) + 1)
    types = [
        make_full_box(b"infe", struct.pack(">HH4s", n, 0, item.kind), b"\0", version=2)
        for n, item in zip(numbers, items, strict=True)
    ]
    associations = b"".join(
        struct.pack(">HB", n, len(item.properties))
        + bytes(properties.index(one) + 1 | (0x80 if one[4:8] in ESSENTIAL else 0) for one in item.properties)
        for n, item in zip(numbers, items, strict=True)
    )
    references = b"".join(
        make_box(kind, struct.pack(f">HH{len(targets)}H", n, len(targets), *targets))
        for n, item in zip(numbers, items, strict=True)
        for kind, targets in item.references.items()
    )
    header = make_box(b"ftyp", brand, bytes(4), b"mif1", b"avif" if brand == b"avif" else b"heic")

    def make_meta(start: int) -> tuple[bytes, bytes]:
        stored: dict[bytes, int] = {}
        media = b""
        locations = []
        for number, item in zip(numbers, items, strict=True):
            if item.content not in stored:
                stored[item.content] = start + len(media)
                media += item.content
            locations.append(struct.pack(">HHHII", number, 0, 1, stored[item.content], len(item.content)))
        return make_full_box(
            b"meta",
            make_full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
            make_full_box(b"pitm", struct.pack(">H", primary)),
            make_full_box(b"iinf", struct.pack(">H", len(items)), *types),
            make_box(
                b"iprp",
                make_box(b"ipco", *properties),
                make_full_box(b"ipma", struct.pack(">I", len(items)), associations),
            ),
            *([make_full_box(b"iref", references)] if references else []),
            make_full_box(b"iloc", struct.pack(">HH", 0x4400, len(items)), *locations),
        ), media

    meta, media = make_meta(0)
    meta, media = make_meta(len(header) + len(meta) + 8)
    return header + meta + make_box(b"mdat", media) + behind


def encode_tile(image: Image.Image, codec: bytes = heif_structure.HEVC, bits: int = 8, lossless: bool = False) -> Item:
    """Encode an image as one item, with its size and the entry for its decoder."""
    buffer = io.BytesIO()
    if codec == heif_structure.AV1:
        image.save(buffer, "AVIF", quality=90, speed=10, subsampling="4:4:4")
    else:
        wide = np.asarray(image).astype(np.uint16) * 257
        heif = (
            pillow_heif.from_bytes("RGB;16", image.size, wide.tobytes())
            if bits > 8
            else pillow_heif.from_pillow(image)
        )
        heif.save(buffer, quality=-1, chroma=444, matrix_coefficients=0 if lossless else 6, preset="ultrafast")
    content = buffer.getvalue()
    items = heif_structure.read_items(content)
    item = items[items.primary]
    order = [b"ispe", b"hvcC", b"av1C", b"pixi", b"clap"]  # clap: the part without the encoder's padding
    kept = sorted((one for one in item.properties if one.kind in order), key=lambda one: order.index(one.kind))
    coded = b"".join(content[start : start + length] for start, length in item.extents)
    return Item(codec, coded, [content[one.start - 8 : one.end] for one in kept])


def make_grid(tile: Item, columns: int, rows: int, size: tuple[int, int], extra: Sequence[bytes] = ()) -> list[Item]:
    """Return the items of a picture of columns x rows copies of one tile, cut to a size."""
    layout = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    grid = Item(b"grid", layout, [make_size(*size), *extra], {b"dimg": list(range(2, 2 + columns * rows))})
    return [grid, *[tile] * (columns * rows)]


def heif_seeds() -> list[bytes]:
    """Return small HEIC and AVIF files: of libraries, in grids, turned, with colours, metadata, auxiliary pictures."""
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 4), np.uint8)
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    seeds = []
    for mode in ("RGB", "RGBA", "L"):
        for encoding in ("AVIF", "HEIF"):
            buffer = io.BytesIO()
            if encoding == "AVIF":
                image.convert(mode).save(buffer, encoding, exif=exif, icc_profile=b"", speed=10)
            else:
                pillow_heif.from_pillow(image.convert(mode)).save(buffer, exif=exif.tobytes(), preset="ultrafast")
            seeds.append(buffer.getvalue())
    for codec, brand in ((heif_structure.HEVC, b"heic"), (heif_structure.AV1, b"avif")):
        tile = encode_tile(image.convert("RGB"), codec)
        turned = [make_box(b"irot", b"\1"), make_box(b"imir", b"\1"), make_nclx(DISPLAY_P3, 13)]
        depth = Item(codec, tile.content, [*tile.properties, make_full_box(b"auxC", DEPTH_TYPE)], {b"auxl": [1]})
        profile = make_box(b"colr", b"prof", make_profile(3))
        seeds += [
            make_heif(make_grid(tile, 2, 2, (120, 100), turned), brand),
            make_heif([replace(tile, properties=[*tile.properties, *turned]), depth], brand),
            make_heif([replace(tile, properties=[*tile.properties, profile])], brand, behind=bytes(30)),
        ]
    return seeds


def save_avif(frames: Sequence[Image.Image]) -> bytes:
    """Return an AVIF that plays."""
    buffer = io.BytesIO()
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:], speed=10)
    return buffer.getvalue()
