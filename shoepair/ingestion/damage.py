"""Damage to a photo's file that a decoder knows of and Pillow does not tell: data missing, left over or changed.

Half a JPEG with an end marker behind it is a picture to Pillow, the rest of it grey: libjpeg warns, and Pillow drops
the warning. `simplejpeg` has the same decoder and hands it on. A PNG has a checksum for each chunk; Pillow compares
none of the picture's. The others have none: what changes a picture within the rules of its format is not noticed
(`benchmarks/damaged_photos.py` counts it). The decoder of HEIC hides errors, so two rules are compared: the lengths of
its units add up, and no unit has the bytes of a start code (ITU-T H.265, 7.4.2), such as the zeros of a failing disk.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator

import simplejpeg
from PIL.PngImagePlugin import PngImageFile

from shoepair.data.naming import PhotoError
from shoepair.ingestion import file_structure, heif_structure

HARMLESS_REMARK = "with errors in the file that change no pixel"
UNCHECKED_REMARK = "of a rare kind of JPEG, not checked for damage"
LOST_PART_REMARK = "without a part that the file announces: profile, metadata or transparency"
PROGRESSIVE_FRAMES = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
JPEG_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD})  # Huffman, arithmetic, quantization, restart interval
COEFFICIENTS = 64  # of a block
NOT_SENT = 15  # as the number of low bits that a coefficient lacks
SEQUENTIAL_SCAN = bytes([0, COEFFICIENTS - 1, 0])  # first and last coefficient, bits
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
PNG_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
UNPACKED_AT_ONCE = 2**20  # bytes
WEBP_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}  # in the header of a WebP, for each chunk that it announces
WEBP_ALPHA_FLAG = 0x10
HEVC_START_CODE = re.compile(
    rb"\x00\x00(?:[\x00-\x02]|\x03[^\x00-\x03])"
)  # not within a unit: a 3 is put behind two zeros
HEVC_LENGTH_OFFSET = 21  # in `hvcC`, of the byte whose last two bits are the size of a unit's length, minus one


def find_damage_remarks(content: bytes) -> tuple[str, ...]:
    """Return `HARMLESS_REMARK`, `LOST_PART_REMARK` or `UNCHECKED_REMARK`, or none for a sound photo.

    The rows of a PNG are checked while they are decoded, by `CountedPngFile`.

    Args:
        content: a file of which format, work and size were checked.

    Raises:
        PhotoError: data of the picture are missing, left over or changed.
    """
    if content.startswith(b"\xff\xd8"):
        return _find_jpeg_remarks(content)
    if content.startswith(b"\x89PNG"):
        _raise_if_png_chunks_are_damaged(content)
        return ()
    if content.startswith(b"RIFF"):
        return _find_webp_remarks(content)
    _raise_if_hevc_is_damaged(content)
    return ()


def _find_jpeg_remarks(content: bytes) -> tuple[str, ...]:
    """Decode a JPEG with a decoder that warns; if it does, once more without what is harmless."""
    _raise_if_scans_are_missing(content)
    if not _find_jpeg_fault(content):
        return ()
    fault = ""
    for picture in _iter_jpeg_pictures(content):
        if not (fault := _find_jpeg_fault(picture)):
            return (HARMLESS_REMARK,)
        if _find_jpeg_fault(picture, strict=False):
            return (UNCHECKED_REMARK,)  # sampling that this decoder does not read, or an error, which Pillow raises
    raise PhotoError(_describe_damage(fault.removeprefix("Corrupt JPEG data: ")))


def _find_jpeg_fault(content: bytes, *, strict: bool = True) -> str:
    """Return the first warning (if `strict`) or error of the decoder, or an empty text.

    A grey picture of an eighth of the size is decoded: that takes all data of the file, and little memory.
    """
    try:
        simplejpeg.decode_jpeg(content, "GRAY", min_height=1, min_width=1, strict=strict)
    except ValueError as error:
        return str(error)
    return ""


def _raise_if_scans_are_missing(content: bytes) -> None:
    """Raise a PhotoError if a JPEG was cut off between two scans: decoders take it for a coarser picture."""
    lacking: dict[int, bytearray] = {}  # component -> low bits that each coefficient lacks
    progressive = False
    for marker, start, end in file_structure.iter_jpeg_segments(content):
        segment = content[start:end]
        if marker in file_structure.JPEG_FRAMES:
            progressive = marker in PROGRESSIVE_FRAMES
            components = segment[8 : 8 + 3 * segment[7] : 3] if len(segment) > 7 else b""
            lacking = {component: bytearray([NOT_SENT] * COEFFICIENTS) for component in components}
        elif marker == file_structure.JPEG_SCAN and len(segment) > 5:
            first, last, bits = segment[-3:] if progressive else SEQUENTIAL_SCAN
            for component in set(segment[3:-3:2]) & set(lacking):
                lacking[component][first : last + 1] = bytes([bits % 16] * (min(last, COEFFICIENTS - 1) + 1 - first))
    if any(map(any, lacking.values())):
        raise PhotoError(_describe_damage("scans are missing"))


def _iter_jpeg_pictures(content: bytes) -> Iterator[bytes]:
    """Yield the picture of a JPEG without what cameras and programs write that is warned of and harmless.

    The decoder tells its first warning only, so a harmless one would hide others: of metadata, of bytes between the
    segments before the picture, of the parameters of a scan that is not progressive (phones of Samsung), of a missing
    end. The second of the two has no zeros behind the picture: the last byte of some is zero.
    """
    segments = list(file_structure.iter_jpeg_segments(content))
    first_scan = next((part.start - 2 for part in segments if part.kind == file_structure.JPEG_SCAN), len(content))
    needed = file_structure.JPEG_FRAMES | JPEG_TABLES
    header = [content[start - 2 : end] for kind, start, end in segments if kind in needed and start < first_scan]
    end_marker = file_structure.JPEG_MARKER.search(content, segments[-1].end if segments else 2)
    scans = bytearray(content[first_scan : end_marker.start() if end_marker else len(content)])
    if not any(kind in PROGRESSIVE_FRAMES for kind, _, _ in segments):
        for _, _, end in (part for part in segments if part.kind == file_structure.JPEG_SCAN):
            scans[end - first_scan - 3 : end - first_scan] = SEQUENTIAL_SCAN
    yield b"".join([b"\xff\xd8", *header, scans, b"\xff\xd9"])
    stripped = scans.rstrip(b"\0")
    escape = b"\0" if stripped.endswith(b"\xff") else b""  # the byte 0xFF is written with a zero behind it
    yield b"".join([b"\xff\xd8", *header, stripped, escape, b"\xff\xd9"])


def _raise_if_png_chunks_are_damaged(content: bytes) -> None:
    """Raise a PhotoError if a chunk of a PNG does not have its checksum, or the last one is missing."""
    view, last = memoryview(content), b""
    for _, start, end in file_structure.iter_png_chunks(content):
        last = content[start - 4 : start]
        if view[end : end + 4] != zlib.crc32(view[start - 4 : end]).to_bytes(4, "big"):
            name = last.decode("ascii", "backslashreplace")
            raise PhotoError(_describe_damage(f"chunk {name} is cut off or does not have its checksum"))
    if last != file_structure.PNG_END:
        raise PhotoError(_describe_damage("the end is missing"))


class CountedPngFile(PngImageFile):
    """A PNG whose rows are counted while Pillow decodes them; sets `damage_remarks` when it is loaded.

    Unpacking takes half the time of decoding, and Pillow does not tell what it unpacked. So the rows are unpacked
    here, and Pillow's decoder gets them in blocks that are not compressed.
    """

    damage_remarks: tuple[str, ...] = ()

    def load_prepare(self) -> None:
        """See `PngImageFile`."""
        super().load_prepare()
        self._unpacking, self._storing = zlib.decompressobj(), zlib.compressobj(0)
        self._row_bytes = 0

    def load_read(self, read_bytes: int) -> bytes:
        """Return the next rows, as the decoder takes them; it asks for them only as long as rows are missing."""
        rows = self._unpack(read_bytes)
        if not rows:
            raise PhotoError(_describe_damage("rows of pixels are missing"))
        return self._storing.compress(rows) + self._storing.flush(zlib.Z_SYNC_FLUSH)

    def _unpack(self, read_bytes: int) -> bytes:
        """Return the next unpacked bytes, a few at a time; none at the end."""
        rows = b""
        try:
            while not rows and not self._unpacking.eof:
                packed = self._unpacking.unconsumed_tail or super().load_read(read_bytes)
                if not packed:
                    rows = self._unpacking.flush()
                    break
                rows = self._unpacking.decompress(packed, UNPACKED_AT_ONCE)
        except zlib.error:
            raise PhotoError(_describe_damage("the picture cannot be unpacked")) from None
        self._row_bytes += len(rows)
        return rows

    def load_end(self) -> None:
        """Unpack what lies behind the rows, hardly more than one byte; remark it, and a stream without an end."""
        assert isinstance(self.fp, io.BytesIO)
        expected = last = 0
        content = self.fp.getvalue()
        for kind, start, end in file_structure.iter_png_chunks(content):
            if kind == b"IHDR":
                expected = _count_row_bytes(content[start:end])
            elif kind == b"IDAT":
                last = end
        while self._row_bytes <= expected and self._unpack(self.decodermaxblock):
            pass
        ends_there = self._unpacking.eof and not self._unpacking.unused_data and self.fp.tell() == last
        if self._row_bytes != expected or not ends_there:
            self.damage_remarks = (HARMLESS_REMARK,)
        super().load_end()


def _count_row_bytes(header: bytes) -> int:
    """Return the length of all rows of a PNG, unpacked, each with the byte before it that names its filter."""
    width, height, depth, color_type, _, _, interlaced = struct.unpack_from(">IIBBBBB", header)
    bits = depth * PNG_CHANNELS[color_type]
    total = 0
    for left, top, step_right, step_down in PNG_PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // step_right), -(-(height - top) // step_down)
        total += rows * (1 + -(-columns * bits // 8)) if columns > 0 else 0
    return total


def _find_webp_remarks(content: bytes) -> tuple[str, ...]:
    """Compare the chunks of a WebP with those that its header announces."""
    chunks = {kind for kind, _, _ in file_structure.iter_webp_chunks(content)}
    flags = int.from_bytes(content[20:21]) if b"VP8X" in chunks else 0
    lost = any(flags & flag and kind not in chunks for kind, flag in WEBP_FLAGS.items())
    alpha_lost = flags & WEBP_ALPHA_FLAG and not chunks & {b"ALPH", b"VP8L"}
    return (LOST_PART_REMARK,) if lost or alpha_lost else ()


def _raise_if_hevc_is_damaged(content: bytes) -> None:
    """Raise a PhotoError if the units of a HEIC's picture, or of its tiles, break the rules of all units."""
    items = heif_structure.read_items(content)
    picture = items[items.primary]
    for item in (picture, *(items[number] for number in picture.parts if number in items)):
        config = next((box for box in item.properties if box.kind == b"hvcC"), None)
        if item.kind != heif_structure.HEVC or config is None or config.end <= config.start + HEVC_LENGTH_OFFSET:
            continue
        size = 1 + (content[config.start + HEVC_LENGTH_OFFSET] & 3)
        data, position = b"".join(content[start : start + length] for start, length in item.extents), 0
        while position < len(data):
            start = position + size
            position = start + int.from_bytes(data[position:start])
            if position > len(data) or position == start or HEVC_START_CODE.search(data, start, position):
                raise PhotoError(_describe_damage("a part of the picture was changed"))


def _describe_damage(cause: str) -> str:
    """Return the message of a damaged photo."""
    return f"cannot be decoded (damaged: {cause}): copy it from the camera again"
