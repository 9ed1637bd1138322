"""Tar files: long names, headers that ask for much, damage anywhere, what compresses them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from shoepair.commands.collection import archives, tar_members
from shoepair.commands.collection.archive_members import CHUNK_BYTES, ArchiveError

END = bytes(2 * tarfile.BLOCKSIZE)
LONG_NAME = "train/" + "é" * 150


def block(name: str, size: int = 0, file_type: bytes = tarfile.REGTYPE) -> bytes:
    """A header; `size` may be any number."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, file_type
    return info.tobuf(tarfile.GNU_FORMAT)


def pad(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def pax(content: bytes, file_type: bytes = tarfile.XHDTYPE) -> bytes:
    return block("pax", len(content), file_type) + pad(content)


FILE = block("a", 3) + pad(b"abc")


def read(tmp_path: Path, data: bytes | bytearray, max_bytes: int = 2**25) -> dict[str, tuple[str, bytes]]:
    """Name -> rejection, content of every member."""
    (tmp_path / "class.tar").write_bytes(data)
    members = tar_members.iter_tar_members(tmp_path / "class.tar", max_bytes)
    return {
        member.name: (member.rejection, b"" if member.rejection else b"".join(member.chunks)) for member in members
    }


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_formats_are_read_like_python_reads_them(tmp_path: Path, tar_format: int) -> None:
    names = ["train", "train/a", "train/" + "b" * 90 + "/" + "c" * 80]
    names += [] if tar_format == tarfile.USTAR_FORMAT else [LONG_NAME, "d" * 300]
    with tarfile.open(tmp_path / "made.tar", "w", format=tar_format) as archive:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.type, info.size = (tarfile.REGTYPE, 400 * number) if number else (tarfile.DIRTYPE, 0)
            info.pax_headers = {"comment": "x = y\n" * 9, "SCHILY.xattr.user.a": "=2 "}
            archive.addfile(info, io.BytesIO(bytes([number]) * info.size))
    expected = {name: ("", bytes([number]) * 400 * number) for number, name in enumerate(names)}
    assert read(tmp_path, (tmp_path / "made.tar").read_bytes()) == expected


def test_member_that_is_not_read_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "class.tar").write_bytes(FILE + block("b", 700) + bytes(1024) + END)
    assert [member.name for member in tar_members.iter_tar_members(tmp_path / "class.tar", 2**20)] == ["a", "b"]


def test_content_comes_in_pieces_of_limited_length(tmp_path: Path) -> None:
    content = bytes(3 * CHUNK_BYTES + 7)
    (tmp_path / "class.tar").write_bytes(gzip.compress(block("a", len(content)) + pad(content) + END, 1))
    (chunks,) = [list(member.chunks) for member in tar_members.iter_tar_members(tmp_path / "class.tar", 2**30)]
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) == CHUNK_BYTES


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (block("a", -512) + FILE, "a member of -512 bytes"),
        (block("x", -512, tarfile.XHDTYPE) + FILE, "a header of -512 bytes, expected at most 1048576"),
        (block("x", 2**20 + 1, tarfile.XHDTYPE), "a header of 1048577 bytes"),
        (block("x", 2**62, tarfile.GNUTYPE_LONGNAME), "a header of 4611686018427387904 bytes"),
        (pax(b"13 size=-512\n") + FILE, "a header with a damaged number"),
        (pax(b"31 size=1" + b"0" * 21 + b"\n") + FILE, "a header with a damaged number"),
        (pax("11 size=٣\n".encode()) + FILE, "a header with a damaged number"),
        (pax(b"2 " * 2**18 + b"=\n") + FILE, "a header with a damaged record"),  # TarFile: memory of its square
        (pax(b"1" * 2**20) + FILE, "a header with a damaged record"),  # TarFile: time of its square
        (pax(b"99 path=b\n") + FILE, "a header with a damaged record"),
        (pax(b"8 path=b\n") + FILE, "a header with a damaged record"),
        (pax(b"0 path=b\n") + FILE, "a header with a damaged record"),
        (pax(b"10 path=b\n\0") + FILE, "a header with a damaged number"),
        (pax(b"6 a=b\n" * 1001) + FILE, "a header of more than 1000 attributes"),
        (pax(b"6 a=b\n") * 17 + FILE, "more than 16 headers before a member"),
        (pax(b"6 a=b\n", tarfile.XGLTYPE) * 17 + FILE, "more than 16 headers before a member"),
        (pax(b"6 a=b\n"), "end of file header"),
    ],
)
def test_header_that_asks_for_much_or_is_damaged_is_refused(tmp_path: Path, data: bytes, text: str) -> None:
    with pytest.raises(tarfile.TarError, match=text):
        read(tmp_path, data + END)


def test_largest_headers_are_read(tmp_path: Path) -> None:
    value = b"1048576 x=" + b"1" * (2**20 - 11) + b"\n"
    data = pax(value) * 15 + pax(b"6 a=b\n" * 999 + b"10 path=b\n") + FILE + END
    assert read(tmp_path, data, 2**25) == {"b": ("", b"abc")}


@pytest.mark.parametrize("key", ["GNU.sparse.major", "GNU.sparse.map"])
def test_sparse_file_is_refused(tmp_path: Path, key: str) -> None:
    length = len(key) + 6
    data = pax(f"{length} {key}=1\n".encode()) + FILE + END
    assert read(tmp_path, data) == {"a": ("a sparse file or a device, expected plain files", b"")}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(FILE, id="no end"),
        pytest.param(FILE + FILE[:300], id="within a header"),
        pytest.param(FILE + FILE[:514], id="within a member"),
        pytest.param(FILE + b"x" + FILE + END, id="no header in the middle"),  # TarFile: the end
        pytest.param(FILE + END + FILE + END, id="two in a row"),  # TarFile: the first one
        pytest.param(FILE + END + b"x", id="more after the end"),
    ],
)
def test_damage_is_never_taken_for_the_end(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(archives.READ_ERRORS):
        read(tmp_path, data)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_every_flipped_bit_in_a_compressed_file_is_noticed(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    packed = compress(FILE + END)
    assert read(tmp_path, packed) == {"a": ("", b"abc")}
    changed = 0
    for position in range(len(packed)):
        damaged = bytearray(packed)
        damaged[position] ^= 4
        try:
            changed += read(tmp_path, damaged) != {"a": ("", b"abc")}
        except (ArchiveError, *archives.READ_ERRORS):
            pass
    assert changed == 0


def test_headers_and_filling_count_against_the_limit(tmp_path: Path) -> None:
    data = gzip.compress(FILE * 9 + END)
    with pytest.raises(ArchiveError, match="more than 9000 bytes unpacked with all headers, expected at most that"):
        read(tmp_path, data, 9000)
    assert read(tmp_path, data, 9 * 1024 + len(END)) == {"a": ("", b"abc")}


def xz_that_asks_for_a_dictionary(code: int, content: bytes) -> bytes:
    """An xz file whose header asks for another dictionary than was used: of 2^(code / 2 + 12) bytes."""
    packed = bytearray(lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]))
    end = 12 + 4 * packed[12]  # of the block's header, before its checksum
    packed[packed.index(bytes([lzma.FILTER_LZMA2, 1]), 12) + 2] = code
    packed[end : end + 4] = struct.pack("<I", zlib.crc32(packed[12:end]))
    return bytes(packed)


def test_large_dictionary_of_xz_is_refused(tmp_path: Path) -> None:
    content = FILE + END
    for code in (0, 28):  # 28: 64 MiB, as `xz -9`
        assert read(tmp_path, xz_that_asks_for_a_dictionary(code, content)) == {"a": ("", b"abc")}
    for code in (30, 40):  # 128 MiB, 4 GiB
        with pytest.raises(ArchiveError, match="xz needs more than 104857600 bytes of memory for it"):
            read(tmp_path, xz_that_asks_for_a_dictionary(code, content))


def test_xz_file_of_several_streams_is_read(tmp_path: Path) -> None:
    content = FILE + END
    parts = lzma.compress(content[:700]) + bytes(8) + lzma.compress(content[700:]) + bytes(2**20 + 4)
    assert read(tmp_path, parts) == {"a": ("", b"abc")}
    with pytest.raises(lzma.LZMAError):
        read(tmp_path, parts + b"no xz stream")
    with pytest.raises(EOFError, match="within an xz stream"):
        read(tmp_path, lzma.compress(content)[:-20])


@pytest.mark.parametrize(
    ("magic", "name"),
    [
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07\x01", "a RAR archive"),
        (b"\x28\xb5\x2f\xfd", "compressed by Zstandard"),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path: Path, magic: bytes, name: str) -> None:
    with pytest.raises(ArchiveError, match=f"^{name}, expected zip, tar, tar.gz, tar.bz2 or tar.xz$"):
        read(tmp_path, magic + bytes(600))
