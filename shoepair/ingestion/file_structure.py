"""Structure of a photo's file, and the work that it asks of a decoder, counted without decoding.

A file that is cheap to send can be dear to decode: a progressive JPEG of 128 kB with 8,000 scans takes half a minute,
since every scan visits every pixel. The limits are counts, not times, so that a photo is accepted or refused alike on
every machine. Each function walks the segments of a JPEG or the chunks of a PNG or WebP, by their lengths; boxes of
HEIC and AVIF are walked by `heif_structure`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from PIL.PngImagePlugin import MAX_TEXT_CHUNK

from shoepair.data.naming import PhotoError
from shoepair.ingestion import heif_structure

# A progressive JPEG has 10 to 20 scans, a plain one has one; 108 million pixels may have ten. A pixel takes up to 6 ns
# a scan.
MAX_SCANNED_PIXELS = 1_100_000_000
MAX_PARTS = 50_000  # segments or chunks; a PNG of 64 MB in the usual chunks of 8 KiB has 8,000
MAX_METADATA_BYTES = 32_000_000  # EXIF, XMP, text, colour profile, unpacked; with a second picture in XMP 5 million
MAX_TABLE_BYTES = 1_000_000  # of a JPEG, and what lies between its segments; usually about 1,000
MAX_PROFILE_WORK = 2**18  # processing elements x bytes of a colour profile; profiles of cameras have no such elements

# A marker of a JPEG. Escaped 0xFF (before 0x00), fill bytes and restart markers (0xD0-0xD7) belong to the picture.
JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
JPEG_WITHOUT_CONTENT = frozenset([*range(0x01, 0xC0), 0xC8, 0xD8, 0xD9, *range(0xF0, 0xFE)])
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers whose segment holds the size
JPEG_SCAN, JPEG_END, JPEG_COMMENT = 0xDA, 0xD9, 0xFE
JPEG_APPLICATION = range(0xE0, 0xF0)  # markers of metadata
PNG_PICTURE = frozenset({b"IDAT", b"fdAT"})
PNG_END = b"IEND"
WEBP_PICTURE = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANMF"})
DEFLATE_RATIO = 1032  # bytes that one compressed byte unpacks to, at most
PROFILE_HEADER_BYTES = 128
PROFILE_TAGS = 100  # that the colour library reads


class Part(NamedTuple):
    """A segment of a JPEG or a chunk of a PNG or WebP: its kind, and where its content lies."""

    kind: int | bytes  # marker of a JPEG, name of a chunk
    start: int
    end: int  # may lie behind the end of a truncated file


@dataclass
class FileWork:
    """The work that a file asks of a decoder, besides that of decoding each pixel once."""

    metadata_bytes: int = 0
    table_bytes: int = 0  # of a JPEG, and bytes between its segments
    scans: int = 0  # of a JPEG
    width: int = 0  # of a JPEG
    height: int = 0

    def raise_if_too_much(self) -> None:
        """Raise a PhotoError if a count exceeds its limit."""
        max_scans = max(1, MAX_SCANNED_PIXELS // max(1, self.width * self.height))
        scans = f"scans of {self.width} x {self.height} pixels"
        tables = "bytes of tables and fill"
        for found, kind, limit, remedy in (
            (self.scans, scans, max_scans, "save it as a JPEG that is not progressive"),
            (self.metadata_bytes, "bytes of metadata", MAX_METADATA_BYTES, "save it without metadata"),
            (self.table_bytes, tables, MAX_TABLE_BYTES, "save it again with a photo program"),
        ):
            if found > limit:
                reason = f"{found:,} {kind}, expected {limit:,} at most: {remedy}"
                raise PhotoError(reason)


def iter_jpeg_segments(content: bytes) -> Iterator[Part]:
    """Yield the segments of a JPEG up to its end marker; bytes between two segments are a scan, or filler."""
    position, in_scan = 2, False
    while match := JPEG_MARKER.search(content, position):
        marker, start = content[match.end() - 1], match.end()
        if marker == JPEG_END and in_scan:
            return
        length = 0
        if marker not in JPEG_WITHOUT_CONTENT:
            length = max(2, int.from_bytes(content[start : start + 2], "big"))
        yield Part(marker, start, position := start + length)
        in_scan = in_scan or marker == JPEG_SCAN


def iter_png_chunks(content: bytes) -> Iterator[Part]:
    """Yield the chunks of a PNG, up to its end; what lies behind that is not decoded."""
    position, kind = 8, b""
    while position + 8 <= len(content) and kind != PNG_END:
        length, kind = struct.unpack_from(">I4s", content, position)
        yield Part(kind, position + 8, position + 8 + length)
        position += length + 12


def iter_webp_chunks(content: bytes) -> Iterator[Part]:
    """Yield the chunks of a WebP, up to its end; those within a frame are not told apart."""
    position, end = 12, min(len(content), 8 + int.from_bytes(content[4:8], "little"))
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", content, position)
        yield Part(kind, position + 8, position + 8 + length)
        position += 8 + length + length % 2


def count_jpeg_work(content: bytes) -> FileWork:
    """Count the work of a JPEG.

    Raises:
        PhotoError: it has too many segments.
    """
    work, position = FileWork(), 2
    for marker, start, end in _limit_parts(iter_jpeg_segments(content)):
        if not work.scans:
            work.table_bytes += start - position
        if marker in JPEG_APPLICATION or marker == JPEG_COMMENT:
            work.metadata_bytes += end - start
        else:
            work.table_bytes += end - start
        if marker in JPEG_FRAMES and start + 7 <= len(content):
            height, width = struct.unpack_from(">HH", content, start + 3)
            if height * width > work.height * work.width:
                work.height, work.width = height, width
        work.scans += marker == JPEG_SCAN
        position = end
    if not work.scans:
        work.table_bytes += max(0, len(content) - position)
    return work


def count_png_work(content: bytes) -> FileWork:
    """Count the work of a PNG.

    Raises:
        PhotoError: it has too many chunks.
    """
    work = FileWork()
    for kind, start, end in _limit_parts(iter_png_chunks(content)):
        if kind not in PNG_PICTURE:
            packed = kind in {b"iCCP", b"zTXt"} or (kind == b"iTXt" and _is_packed_text(content[start:end]))
            length = end - start
            work.metadata_bytes += min(DEFLATE_RATIO * length, MAX_TEXT_CHUNK) if packed else length
    return work


def _is_packed_text(chunk: bytes) -> bool:
    """Whether the content of an iTXt chunk is compressed: a flag behind its keyword says so."""
    _, _, rest = chunk.partition(b"\0")
    return rest[:1] not in {b"", b"\0"}


def count_heif_work(content: bytes) -> FileWork:
    """Count the work of a HEIC or AVIF; `heif_structure.read_heif` counts its parts.

    Raises:
        PhotoError: it is damaged, or has too many or too large parts.
    """
    return FileWork(metadata_bytes=heif_structure.read_heif(content).metadata_bytes)


def count_webp_work(content: bytes) -> FileWork:
    """Count the work of a WebP.

    Raises:
        PhotoError: it has too many chunks.
    """
    chunks = _limit_parts(iter_webp_chunks(content))
    return FileWork(metadata_bytes=sum(end - start for kind, start, end in chunks if kind not in WEBP_PICTURE))


def _limit_parts(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts; raise a PhotoError beyond `MAX_PARTS`."""
    for number, part in enumerate(parts):
        if number == MAX_PARTS:
            reason = f"more than {MAX_PARTS:,} segments, expected fewer: save it again with a photo program"
            raise PhotoError(reason)
        yield part


def iter_profile_tags(profile: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, offset and length of the tags of a colour profile."""
    tags = int.from_bytes(profile[PROFILE_HEADER_BYTES : PROFILE_HEADER_BYTES + 4], "big")
    table = profile[PROFILE_HEADER_BYTES + 4 :][: 12 * min(tags, PROFILE_TAGS)]
    yield from struct.iter_unpack(">4sII", table[: len(table) // 12 * 12])


def raise_if_profile_is_too_complex(profile: bytes) -> None:
    """Raise a PhotoError if a colour profile asks for too much work.

    Only multi-process elements are costly: the colour library computes each of a list for thousands of colours, and
    the list may name the same element any number of times, of any length.
    """
    elements = 0
    for _name, offset, _length in iter_profile_tags(profile):
        if profile[offset : offset + 4] == b"mpet":
            elements += int.from_bytes(profile[offset + 12 : offset + 16], "big")
    limit = MAX_PROFILE_WORK // max(1, len(profile))
    if elements > limit:
        reason = f"a colour profile with {elements:,} processing elements, expected {limit:,} at most: save it as sRGB"
        raise PhotoError(reason)
