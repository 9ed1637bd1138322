"""Zip files: the methods that are read, and what is refused before memory is taken for it."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from inflate64 import Deflater

from shoepair.commands.collection import zip_members
from shoepair.commands.collection.archive_members import CHUNK_BYTES, ArchiveError

DIRECTORY_HEADER = b"PK\x01\x02"  # of a member in the list of members; the offset of its data is at byte 42


def pack(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytearray:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return bytearray(buffer.getvalue())


def read(tmp_path: Path, data: bytes | bytearray) -> dict[str, tuple[str, bytes]]:
    """Name -> rejection, content of every member."""
    (tmp_path / "class.zip").write_bytes(data)
    members = zip_members.iter_zip_members(tmp_path / "class.zip")
    return {
        member.name: (member.rejection, b"" if member.rejection else b"".join(member.chunks)) for member in members
    }


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_content_comes_in_pieces_of_limited_length(tmp_path: Path, method: int) -> None:
    content = bytes(3 * CHUNK_BYTES + 7)
    (tmp_path / "class.zip").write_bytes(pack({"a/": b"", "a/b": content}, method))
    folder, file = zip_members.iter_zip_members(tmp_path / "class.zip")
    assert (folder.name, folder.is_folder, list(folder.chunks)) == ("a/", True, [])
    assert not file.is_folder
    data = pack({"a/b": content}, method)
    (tmp_path / "class.zip").write_bytes(data)
    lengths = [
        len(chunk) for member in zip_members.iter_zip_members(tmp_path / "class.zip") for chunk in member.chunks
    ]
    assert sum(lengths) == len(content)
    assert max(lengths) == CHUNK_BYTES


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (12, "bzip2"),
        (14, "LZMA"),
        (93, "Zstandard"),
        (95, "XZ"),
        (99, "AES encryption"),
        (7, "method 7"),
    ],
)
def test_other_methods_are_refused_by_name(tmp_path: Path, method: int, name: str) -> None:
    data = pack({"a": b"x" * 99})
    for mark, offset in ((b"PK\x03\x04", 8), (DIRECTORY_HEADER, 10)):
        struct.pack_into("<H", data, data.index(mark) + offset, method)
    assert read(tmp_path, data) == {"a": (f"compressed by {name}, expected deflate, the usual method, or none", b"")}


def pack_deflate64(content: bytes) -> bytearray:
    """Return a zip of one member by Deflate64, as Windows packs more than 2 GB."""
    deflater = Deflater()
    packed = deflater.deflate(content) + deflater.flush()
    data = pack({"a": packed}, zipfile.ZIP_STORED)
    for mark, method, numbers in ((b"PK\x03\x04", 8, 14), (DIRECTORY_HEADER, 10, 16)):
        start = data.index(mark)
        struct.pack_into("<H", data, start + method, zip_members.DEFLATE64)
        struct.pack_into("<III", data, start + numbers, zlib.crc32(content), len(packed), len(content))
    return data


@pytest.mark.parametrize("content", [b"", b"x" * 99, random.Random(1).randbytes(5000), bytes(2**23)])
def test_deflate64_is_read_in_pieces_of_limited_length(tmp_path: Path, content: bytes) -> None:
    data = pack_deflate64(content)
    assert read(tmp_path, data) == {"a": ("", content)}
    members = zip_members.iter_zip_members(tmp_path / "class.zip")
    assert (
        max((len(chunk) for member in members for chunk in member.chunks), default=0)
        <= zip_members.DEFLATE64_BYTES * 8 // 18 * 65538
    )


def test_every_flipped_bit_in_deflate64_is_noticed(tmp_path: Path) -> None:
    content = b"shoes " * 6
    data = pack_deflate64(content)
    start, end = 31, data.index(DIRECTORY_HEADER)
    noticed = 0
    for bit in range(8 * start, 8 * end):
        damaged = data.copy()
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert read(tmp_path, damaged) == {"a": ("", content)}  # the bits that fill the last byte
        except (zipfile.BadZipFile, ValueError):
            noticed += 1
    assert noticed >= 8 * (end - start) - 7


@pytest.mark.parametrize("flag", [0x1, 0x41, 0x2001])
def test_encrypted_member_is_refused(tmp_path: Path, flag: int) -> None:
    data = pack({"a": b"x" * 99})
    for mark, offset in ((b"PK\x03\x04", 6), (DIRECTORY_HEADER, 8)):
        struct.pack_into("<H", data, data.index(mark) + offset, flag)
    assert read(tmp_path, data)["a"][0] == "encrypted, expected no password"


def test_members_in_the_same_place_are_refused(tmp_path: Path) -> None:
    data = pack({"a": b"x" * 99, "b": b"y" * 99}, zipfile.ZIP_STORED)
    second = data.rindex(DIRECTORY_HEADER)
    assert read(tmp_path, data) == {"a": ("", b"x" * 99), "b": ("", b"y" * 99)}
    for offset in (0, 30, 128):  # of the second member: the place of the first one, within it, its last byte
        struct.pack_into("<I", data, second + 42, offset)
        with pytest.raises(ArchiveError, match="two of its members lie in the same place"):
            read(tmp_path, data)


def test_member_that_is_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    data = pack({"a": b"x" * 99}, zipfile.ZIP_STORED)
    struct.pack_into("<II", data, data.index(DIRECTORY_HEADER) + 20, 200, 200)
    with pytest.raises(zipfile.BadZipFile, match="a member is longer than the file"):
        read(tmp_path, data)


def test_long_list_of_members_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack({str(number): b"" for number in range(2000)})
    lengths: list[int] = []
    directory = data.rindex(b"PK\x05\x06") - data.index(DIRECTORY_HEADER)
    monkeypatch.setattr(zip_members, "MAX_DIRECTORY_BYTES", directory - 1)
    monkeypatch.setattr(zipfile.ZipInfo, "_decodeExtra", lambda _: lengths.append(1))
    with pytest.raises(ArchiveError, match=f"list of members has more than {directory - 1} bytes"):
        read(tmp_path, data)
    assert lengths == []
    monkeypatch.setattr(zip_members, "MAX_DIRECTORY_BYTES", directory)
    assert len(read(tmp_path, data)) == 2000


def test_name_is_not_cut_at_a_null_byte(tmp_path: Path) -> None:
    data = pack({"a.jpg_x": b""})
    assert list(read(tmp_path, bytes(data).replace(b"a.jpg_x", b"a.jpg\0x"))) == ["a.jpg\0x"]


def pack_names(names: dict[bytes, bytes], flag: int = 0) -> bytes:
    """Return a zip whose members have these names as bytes, each with an additional field."""
    placeholders = [f"{number:03}" + "x" * (len(name) - 3) for number, name in enumerate(names)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for placeholder, extra in zip(placeholders, names.values(), strict=True):
            info = zipfile.ZipInfo(placeholder)
            info.extra = extra
            archive.writestr(info, b"")
    data = bytearray(buffer.getvalue())
    for placeholder, name in zip(placeholders, names, strict=True):
        data = data.replace(placeholder.encode(), name)
    if flag:
        for mark, offset in ((b"PK\x03\x04", 6), (DIRECTORY_HEADER, 8)):
            struct.pack_into("<H", data, data.index(mark) + offset, flag)
    return bytes(data)


def unicode_path(raw: bytes, name: str, version: int = 1) -> bytes:
    field = struct.pack("<BI", version, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x5455, 1) + b"t" + struct.pack("<HH", zip_members.UNICODE_PATH, len(field)) + field


WINTER = "冬/train/u001_1_left_m.jpg"


@pytest.mark.parametrize(
    ("raw", "extra", "flag", "expected"),
    [
        (WINTER.encode(), b"", zip_members.UTF8, WINTER),
        (WINTER.encode(), b"", 0, WINTER),  # macOS
        ("é/train/a.jpg".encode("cp437"), b"", 0, "é/train/a.jpg"),
        (b"winter\\train\\a.jpg", b"", 0, "winter/train/a.jpg"),  # PowerShell
        (b"winter/train\\a.jpg", b"", zip_members.UTF8, "winter/train/a.jpg"),
        (b"?/train/a.jpg", unicode_path(b"?/train/a.jpg", "冬/train/a.jpg"), 0, "冬/train/a.jpg"),  # Info-ZIP
        (b"?/train/a.jpg", unicode_path(b"of another name", "冬/train/a.jpg"), 0, "?/train/a.jpg"),
        (b"?/train/a.jpg", unicode_path(b"?/train/a.jpg", "冬", version=2), 0, "?/train/a.jpg"),
        (b"?/train/a.jpg", struct.pack("<HH", zip_members.UNICODE_PATH, 5) + b"\1abcd", 0, "?/train/a.jpg"),
        # A country's code page: letters that nobody can tell, but the same folders above the same photos.
        ("冬/train/a.jpg".encode("shift-jis"), b"", 0, "ô~/train/a.jpg"),
        ("冬/train/a.jpg".encode("gbk"), b"", 0, "╢¼/train/a.jpg"),
        ("ソ/train/a.jpg".encode("shift-jis"), b"", 0, "â//train/a.jpg"),  # its second byte is a backslash
    ],
)
def test_name_is_read_as_real_programs_write_it(
    tmp_path: Path, raw: bytes, extra: bytes, flag: int, expected: str
) -> None:
    assert list(read(tmp_path, pack_names({raw: extra}, flag))) == [expected]
