"""Archives for the fuzzer: every container, method, kind of header, size and ratio.

Most damaged archives would be refused at their first checksum. So tar files are damaged before they are compressed,
and the checksums of their headers are corrected; the numbers in a zip's headers are also changed in pairs.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shoepair.commands.collection import archives

MEMORY = 300 * 2**20  # bytes that a worker may allocate
LARGE = 20 * 2**20  # unpacked bytes, more than the reader allows
MEMBERS = {"train/u001_1_left_m.jpg": b"x" * 90, "train/u001_1_right_m.jpg": b"y" * 1500, "train/.DS_Store": b""}
ZIP_METHODS = [0, 1, 6, 8, 8, 9, 12, 14, 93, 95, 97, 98, 99, 0xFFFF]
ZIP_NUMBERS = [0, 1, 8, 30, 0x41, 0x800, 0x2008, 2**16 - 1, 2**31, 2**32 - 1]
# Offset and width of the numbers in a zip's two headers of a member: local, in the list of members.
ZIP_FIELDS = {"flags": (6, 8, 2), "method": (8, 10, 2), "crc": (14, 16, 4), "packed": (18, 20, 4), "size": (22, 24, 4),
              "name": (26, 28, 2), "extra": (28, 30, 2), "mode": (0, 38, 4), "offset": (0, 42, 4)}  # fmt: skip
TAR_FIELDS = {"size": (124, 12), "type": (156, 1), "magic": (257, 6), "prefix": (345, 155)}
TAR_TYPES = b"\0" + b"01234567xgXLKSDMVN"


def archive_seeds() -> list[bytes]:
    """Return zip files of all methods, with large and many members, and plain tar files of all formats."""
    large = {"train/large": bytes(2**20)}
    many = {f"train/{number}/{'n' * 60}": b"" for number in range(60)}
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    zips = [_zip(MEMBERS, method) for method in methods]
    zips += [_zip(MEMBERS | large, zipfile.ZIP_DEFLATED), _zip(many, zipfile.ZIP_DEFLATED)]
    zips.append(_zip(MEMBERS, zipfile.ZIP_DEFLATED, zip64=True))
    formats = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    long_name = {"train/" + "é" * 120: b"z" * 600}
    tars = [
        _tar(MEMBERS | (long_name if tar_format != tarfile.USTAR_FORMAT else {}), tar_format) for tar_format in formats
    ]
    return [*zips, *tars, _tar(many, tarfile.PAX_FORMAT)]


def _zip(members: dict[str, bytes], method: int, *, zip64: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=zip64) as file:
                file.write(content)
    return buffer.getvalue()


def _tar(members: dict[str, bytes], tar_format: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(content), {"comment": "c", "SCHILY.xattr.user.a": "b = c\n"}
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue().rstrip(b"\0") + bytes(2048)  # not all the zeros at the end, in which damage does nothing


def mutate_archive(
    seeds: list[bytes], rng: np.random.Generator, damage: Callable[[list[bytes], np.random.Generator], bytes]
) -> bytes:
    """Return a changed archive; in half of them, only numbers in headers and what compresses them are changed.

    Args:
        seeds: of `archive_seeds`.
        rng: chooses.
        damage: changes one of the seeds anywhere.
    """
    data = damage(seeds, rng) if rng.random() < 0.5 else seeds[rng.integers(len(seeds))]
    changed = bytearray(data)
    if data.startswith(b"PK"):
        for _ in range(int(rng.integers(3))):
            _change_zip_field(changed, rng)
        return bytes(changed)
    field_share = float(rng.choice([0, 0.02, 0.3]))
    for start in range(0, len(changed) - tarfile.BLOCKSIZE + 1, tarfile.BLOCKSIZE):
        if changed[start + 257 : start + 262] == b"ustar":
            if rng.random() < field_share:
                _change_tar_field(changed, start, rng)
            changed[start + 148 : start + 156] = b" " * 8
            checksum = sum(changed[start : start + tarfile.BLOCKSIZE])
            changed[start + 148 : start + 156] = b"%06o\0 " % checksum
    if rng.random() < 0.01:  # a member of zeros first
        info = tarfile.TarInfo("zeros")
        info.size = LARGE
        changed[:0] = info.tobuf(tarfile.GNU_FORMAT) + bytes(LARGE)
    return _compress(bytes(changed), rng)


def _change_zip_field(data: bytearray, rng: np.random.Generator) -> None:
    """Change a number in the list of members, and mostly in the member's other header too."""
    field = rng.choice(list(ZIP_FIELDS))
    local, listed, width = ZIP_FIELDS[field]
    number = int(rng.choice(ZIP_METHODS if field == "method" else ZIP_NUMBERS)) & (256**width - 1)
    packed = struct.pack("<H" if width == 2 else "<I", number)
    entries, headers = _find_all(data, b"PK\x01\x02"), _find_all(data, b"PK\x03\x04")
    if entries:
        index = int(rng.integers(len(entries)))
        data[entries[index] + listed : entries[index] + listed + width] = packed
        if local and index < len(headers) and rng.random() < 0.7:
            data[headers[index] + local : headers[index] + local + width] = packed


def _find_all(data: bytearray, mark: bytes) -> list[int]:
    position, found = -1, []
    while (position := data.find(mark, position + 1)) >= 0:
        found.append(position)
    return found


def _change_tar_field(data: bytearray, start: int, rng: np.random.Generator) -> None:
    offset, width = TAR_FIELDS[rng.choice(list(TAR_FIELDS))]
    if width == 1:
        content = bytes([TAR_TYPES[rng.integers(len(TAR_TYPES))]])
    elif width == 12:
        number = int(rng.choice([-512, -1, 0, 1, 511, 513, 2**20, 2**20 + 1, 2**33, 2**62]))
        content = tarfile.itn(number, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]  # not in its public names
    else:
        content = rng.bytes(width)
    data[start + offset : start + offset + width] = content


def _compress(data: bytes, rng: np.random.Generator) -> bytes:
    match int(rng.integers(6)):
        case 0:
            return data
        case 1:
            return bz2.compress(data, int(rng.integers(1, 10)))
        case 2:
            return lzma.compress(data, preset=0)
        case 3:
            return xz_with_dictionary(int(rng.integers(41)), data)
        case 4:
            half = int(rng.integers(len(data) + 1))
            return gzip.compress(data[:half], 1) + gzip.compress(data[half:], 9)
        case _:
            return gzip.compress(data, 1)


def xz_with_dictionary(code: int, content: bytes) -> bytes:
    """Return an xz file whose header asks for a dictionary of 2^(code / 2 + 12) bytes, 4 GiB at code 40."""
    packed = bytearray(lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]))
    if not content:  # then it has no block
        return bytes(packed)
    end = 12 + 4 * packed[12]  # of the block's header, before its checksum
    packed[packed.index(bytes([lzma.FILTER_LZMA2, 1]), 12) + 2] = code
    packed[end : end + 4] = struct.pack("<I", zlib.crc32(packed[12:end]))
    return bytes(packed)


def read_archive(data: bytes, folder: Path) -> None:
    """Unpack an archive; no file may be written outside the folder, and none may stay."""
    archive = folder / "a.zip"
    archive.write_bytes(data)
    with contextlib.chdir(folder):
        with archives.open_photo_folder(Path("a.zip"), max_members=1000, max_bytes=2**24) as handed_in:
            for path in handed_in.path.rglob("*"):
                if path.is_symlink() or not (path.is_dir() or path.is_file()):
                    message = f"{path} was extracted"
                    raise AssertionError(message)
        left = set(Path().rglob("*")) - {Path("a.zip"), Path("data"), Path("data/raw")}
    if left:
        message = f"{left} was extracted outside the folder, or stays"
        raise AssertionError(message)
