"""Zip files: the methods that are read, and what is refused before memory is taken for it."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

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
        (9, "Deflate64"),
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
