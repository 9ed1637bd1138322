"""Structure of a HEIC or AVIF file: what its primary picture is made of, read without decoding.

Both are HEIF: boxes within boxes (ISO 14496-12). The box `meta` lists items (pictures, tiles of a grid, metadata),
their properties (size, colours, rotation), references between them, and where their bytes lie (ISO 23008-12). A file
of a few bytes can list thousands of items, or one of any size, so everything is counted before a decoder sees it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from shoepair.data.naming import PhotoError
from shoepair.ingestion.av1_size import find_largest_size

SEQUENCE_BRANDS = frozenset({b"avis", b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"})  # of films, bursts that play
HEVC, AV1 = b"hvc1", b"av01"  # types of items that are pictures
DERIVED = frozenset({b"grid", b"iden"})  # types of items that are made of other pictures
METADATA_ITEMS = frozenset({b"Exif", b"mime", b"uri "})
TABLES = frozenset({b"pitm", b"iinf", b"iloc", b"iref", b"iprp"})  # boxes that list items
TRANSFORMATIONS = frozenset({b"irot", b"imir", b"clap"})
MAX_ITEMS = 1_000  # of a file; 108 million pixels in the usual tiles of 512 x 512 are 432
MAX_ENTRIES = 10_000  # boxes, references, associations and extents, of each
MAX_TABLE_BYTES = 1_000_000  # of a box that lists items; 1,000 items take about 20,000
MAX_PROPERTIES = 32  # of an item; usually 3 to 8
MAX_TRANSFORMATIONS = 3  # of a picture: one of each kind
MAX_EXTENT_BYTES = 64_000_000  # of all items together, which may share bytes: the largest file
MAX_DECODED_RATIO = 6  # pixels of all tiles, alpha and other auxiliary pictures, to those of the picture
MAX_CODED_RATIO = 2  # pixels of a coded picture to those of its size in the file
MIN_CODED_PIXELS = 2**16
MIN_COUNTED_PIXELS = 2**20  # a small picture may consist of one large tile


class Box(NamedTuple):
    """A box: its type, and where its content lies."""

    kind: bytes
    start: int
    end: int


class Nclx(NamedTuple):
    """Colours of a picture by the codes of ITU-T H.273."""

    primaries: int
    transfer: int


@dataclass
class HeifItem:
    """An item of a file: a picture, a tile of one, or metadata."""

    kind: bytes = b""
    extents: list[tuple[int, int]] = field(default_factory=list)  # start, length in the file
    properties: list[Box] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)  # numbers of the items that a derived picture is made of
    auxiliaries: list[int] = field(default_factory=list)  # numbers of the items with its alpha, depth, gain map


@dataclass(frozen=True)
class HeifPicture:
    """The primary picture of a file."""

    codec: bytes  # `HEVC` or `AV1`
    width: int  # as coded, before a rotation
    height: int
    nclx: Nclx | None
    metadata_bytes: int  # of the whole file


class _Reader:
    """Reads big-endian numbers one after the other."""

    def __init__(self, content: bytes, box: Box) -> None:
        self.content, self.position, self.end = content, box.start, box.end

    def read(self, size: int) -> int:
        """Read a number of so many bytes; 0 for none."""
        if self.position + size > self.end:
            _refuse_damaged("a box is too short")
        self.position += size
        return int.from_bytes(self.content[self.position - size : self.position], "big")


def _refuse_damaged(cause: str) -> NoReturn:
    reason = f"cannot be decoded ({cause}): copy the file again, or export it as JPEG"
    raise PhotoError(reason)


def iter_boxes(content: bytes, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two positions; raise a PhotoError if one is cut off, or they are too many."""
    for _ in range(MAX_ENTRIES):
        if start + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", content, start)
        header = 8
        if length == 1 and start + 16 <= end:
            (length,), header = struct.unpack_from(">Q", content, start + 8), 16
        elif length == 0:  # up to the end
            length = end - start
        if length < header or start + length > end:
            _refuse_damaged("it is cut off, or a box is longer than the file")
        yield Box(kind, start + header, start + length)
        start += length
    _refuse_damaged("it consists of too many boxes")


def read_heif(content: bytes) -> HeifPicture:
    """Read the structure of a HEIC or AVIF file and return its primary picture.

    Raises:
        PhotoError: it is damaged, a film or a burst that plays, of another codec, or asks for too much work.
    """
    items = read_items(content)
    stored = 0
    for item in items.values():
        stored += sum(length for _, length in item.extents)
        if any(start + length > len(content) for start, length in item.extents):
            _refuse_damaged("it is cut off: a part of the picture is missing")
        if sum(box.kind in TRANSFORMATIONS for box in item.properties) > MAX_TRANSFORMATIONS:
            _refuse_damaged("a picture is turned again and again")
    if stored > MAX_EXTENT_BYTES:
        message = f"{stored:,} bytes of parts, expected {MAX_EXTENT_BYTES:,} at most: export it as JPEG"
        raise PhotoError(message)
    picture = items.get(items.primary, HeifItem())
    width, height = _read_size(content, picture)
    _raise_if_parts_are_larger(content, items, picture, width * height)
    metadata = [item for item in items.values() if item.kind in METADATA_ITEMS]
    metadata_bytes = sum(length for item in metadata for _, length in item.extents)
    return HeifPicture(_find_codec(items, picture), width, height, _read_nclx(content, picture), metadata_bytes)


def read_items(content: bytes) -> HeifItems:
    """Read the items of a HEIC or AVIF file; raise a PhotoError if it has too many, or is damaged."""
    return HeifItems(content, _find_meta(content))


def _find_meta(content: bytes) -> Box:
    """Return the box `meta`; phones append other data behind the boxes, which is not read."""
    for box in iter_boxes(content, 0, len(content)):
        if box.kind == b"ftyp" and content[box.start : box.start + 4] in SEQUENCE_BRANDS:
            message = "a film, or a burst that plays, expected a single picture: export one picture of it as JPEG"
            raise PhotoError(message)
        if box.kind == b"meta":
            return box
    _refuse_damaged("there is no picture in it")


class HeifItems(dict[int, HeifItem]):
    """The items of a file by their numbers, read from the box `meta`.

    Args:
        content: of the file.
        meta: the box.
    """

    primary = -1  # number of the item that is shown

    def __init__(self, content: bytes, meta: Box) -> None:
        super().__init__()
        self.content = content
        self.entries = 0  # that were read
        boxes = list(iter_boxes(content, meta.start + 4, meta.end))  # 4: version and flags, as below
        media = next((box for box in boxes if box.kind == b"idat"), Box(b"idat", 0, 0))
        for box in boxes:
            if box.kind not in TABLES:
                continue
            reader, version, _flags = self._open(box)
            wide = 2 if version == 0 else 4  # bytes of a number
            if box.kind == b"pitm":
                self.primary = reader.read(wide)
            elif box.kind == b"iinf":
                for entry in iter_boxes(content, reader.position + wide, box.end):
                    self._read_type(entry)
            elif box.kind == b"iloc":
                self._read_locations(reader, version, media)
            elif box.kind == b"iref":
                for entry in iter_boxes(content, reader.position, box.end):
                    self._read_references(_Reader(content, entry), entry.kind, wide)
            else:
                self._read_properties(box)

    def __missing__(self, number: int) -> HeifItem:
        if len(self) == MAX_ITEMS:
            message = f"more than {MAX_ITEMS:,} pictures and tiles, expected fewer: export it as JPEG"
            raise PhotoError(message)
        self[number] = HeifItem()
        return self[number]

    def _open(self, box: Box) -> tuple[_Reader, int, int]:
        """Return a reader behind version and flags of a box, and both."""
        if box.end - box.start > MAX_TABLE_BYTES and box.kind != b"iprp":
            _refuse_damaged("its lists are too long")
        reader = _Reader(self.content, box)
        return reader, reader.read(1), reader.read(3)

    def _count(self, entries: int) -> None:
        """Count entries that are about to be read; raise a PhotoError if they are too many."""
        self.entries += entries
        if self.entries > MAX_ENTRIES:
            _refuse_damaged("its lists are too long")

    def _read_type(self, entry: Box) -> None:
        reader, version, _flags = self._open(entry)
        number, _protection = reader.read(4 if version >= 3 else 2), reader.read(2)  # of the box
        self[number].kind = reader.read(4).to_bytes(4, "big")

    def _read_locations(self, reader: _Reader, version: int, media: Box) -> None:
        """Read where the bytes of the items lie: in the file, or in the box `idat`."""
        sizes = reader.read(2)
        offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        wide = 2 if version < 2 else 4  # of the box
        for _ in range(reader.read(wide)):
            item = self[reader.read(wide)]
            in_media = version > 0 and reader.read(2) & 15 == 1
            _reference, base, extents = reader.read(2), reader.read(base_size), reader.read(2)
            self._count(extents)
            for _ in range(extents):
                reader.read(index_size if version > 0 else 0)
                start, length = base + reader.read(offset_size), reader.read(length_size)
                if in_media and start + length > media.end - media.start:
                    _refuse_damaged("a part of the picture is missing")
                item.extents.append((start + (media.start if in_media else 0), length))

    def _read_references(self, reader: _Reader, kind: bytes, wide: int) -> None:
        origin, targets = reader.read(wide), reader.read(2)
        self._count(targets)
        for target in [reader.read(wide) for _ in range(targets)]:
            if kind == b"dimg":
                self[origin].parts.append(target)
            elif kind == b"auxl":
                self[target].auxiliaries.append(origin)

    def _read_properties(self, box: Box) -> None:
        """Read the properties, and which item has which."""
        boxes = list(iter_boxes(self.content, box.start, box.end))
        properties = [one for part in boxes if part.kind == b"ipco" for one in iter_boxes(self.content, *part[1:])]
        for part in boxes:
            if part.kind != b"ipma":
                continue
            reader, version, flags = self._open(part)
            for _ in range(reader.read(4)):
                item, count = self[reader.read(2 if version == 0 else 4)], reader.read(1)
                self._count(count)
                for _ in range(count):
                    index = reader.read(2) & 0x7FFF if flags & 1 else reader.read(1) & 0x7F
                    if 0 < index <= len(properties):
                        item.properties.append(properties[index - 1])
                if len(item.properties) > MAX_PROPERTIES:
                    _refuse_damaged("a picture has too many properties")


def _read_size(content: bytes, item: HeifItem) -> tuple[int, int]:
    """Return width and height of a picture."""
    for box in item.properties:
        if box.kind == b"ispe":
            reader = _Reader(content, box)
            reader.read(4)
            return reader.read(4), reader.read(4)
    _refuse_damaged("its picture has no size")


def _read_nclx(content: bytes, item: HeifItem) -> Nclx | None:
    for box in item.properties:
        if box.kind == b"colr" and content[box.start : box.start + 4] == b"nclx":
            reader = _Reader(content, box)
            reader.read(4)
            return Nclx(reader.read(2), reader.read(2))
    return None


def _find_codec(items: dict[int, HeifItem], picture: HeifItem) -> bytes:
    """Return how a picture, or every tile of it, is coded."""
    kinds = {items.get(part, HeifItem()).kind for part in picture.parts} if picture.kind in DERIVED else {picture.kind}
    for codec in (HEVC, AV1):
        if kinds == {codec}:
            return codec
    shown = ", ".join(sorted(kind.decode("ascii", "backslashreplace").strip() for kind in kinds)) or "nothing"
    message = f"cannot be decoded (a HEIF image coded as {shown}, expected HEVC or AV1): export it as JPEG"
    raise PhotoError(message)


def _raise_if_parts_are_larger(content: bytes, items: dict[int, HeifItem], picture: HeifItem, pixels: int) -> None:
    """Raise a PhotoError if tiles and auxiliary pictures have far more pixels than the picture."""
    auxiliaries = [items[number] for number in picture.auxiliaries if number in items]
    parts = [items[number] for item in (picture, *auxiliaries) for number in item.parts if number in items]
    decoded = 0
    for item in (picture, *parts, *auxiliaries):
        width, height = _read_size(content, item)
        if item.kind == AV1:  # libavif decodes what is coded; libheif compares it with this size
            coded = find_largest_size(b"".join(content[start : start + length] for start, length in item.extents))
            if coded > max(MAX_CODED_RATIO * width * height, MIN_CODED_PIXELS):
                _refuse_damaged(f"a picture of {width} x {height} pixels is coded as {coded:,}")
        decoded += width * height if item is not picture else 0
    limit = MAX_DECODED_RATIO * max(pixels, MIN_COUNTED_PIXELS)
    if decoded > limit:
        message = f"{decoded:,} pixels of tiles and auxiliary pictures, expected {limit:,} at most: export it as JPEG"
        raise PhotoError(message)
