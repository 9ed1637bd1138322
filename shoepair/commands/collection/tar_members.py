"""Reader of untrusted tar files, plain or compressed: the members one by one, in bounded memory.

Headers are read here, block by block, since Python's `TarFile` before 3.11.10 takes memory and time that grow with
the square of a header's length, and any version keeps every header and takes a damaged one for the end of the archive.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from shoepair.commands.collection.archive_members import CHUNK_BYTES, ArchiveError, Member

MAGIC_OFFSET = 257  # of "ustar", in every tar file since 1988
ADDITIONAL_HEADERS = {
    *(tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
}
MAX_HEADER_BYTES = 2**20  # of a tar member's additional header: long names, attributes
MAX_HEADERS = 16  # additional headers before one tar member
MAX_RECORDS = 1000  # attributes in an additional header
MAX_DIGITS = 20  # of a number in an additional header
XZ_MEMORY = 100 * 2**20  # bytes for the decoder of xz; `xz -9` needs 65 MiB
OTHER_FORMATS = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard",
    b"\x04\x22\x4d\x18": "compressed by LZ4",
    b"LZIP": "compressed by lzip",
    b"\x5d\x00\x00": "compressed by LZMA",
    b"\x1f\x9d": "compressed by compress",
    b"MZ": "a program, perhaps an archive that unpacks itself",
    b"<!": "a web page, perhaps of a sign-in",
    b"<html": "a web page, perhaps of a sign-in",
}


def iter_tar_members(path: Path, max_bytes: int) -> Iterator[Member]:
    """Yield the members of a tar file in order; raise ArchiveError, or what the readers raise on damaged bytes.

    Args:
        path: of the file; its bytes tell how it is compressed.
        max_bytes: of the decompressed file, with its headers and what fills the blocks.
    """
    with _open_tar(path) as opened:
        stream = _TarStream(opened, max_bytes)
        while (header := _read_header(stream)) is not None:
            info, attributes = header
            is_folder = info.isdir()
            size = _parse_number(attributes["size"]) if "size" in attributes else info.size
            if size < 0:
                reason = f"a member of {size} bytes"
                raise tarfile.HeaderError(reason)
            chunks = iter(()) if is_folder else stream.read_padded(size)
            yield Member(attributes.get("path", info.name), is_folder, _find_rejection(info, attributes), chunks)
            for _ in chunks:  # what was not read
                pass
        while rest := stream.read(CHUNK_BYTES):  # to the end: gzip has its checksum there
            if rest.strip(b"\0"):
                reason = "something follows the end of the archive"
                raise tarfile.ReadError(reason)


def _find_rejection(info: tarfile.TarInfo, attributes: dict[str, str]) -> str:
    if info.issym() or info.islnk():
        return "a link, expected files and folders"
    sparse = info.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse.") for key in attributes)
    return "" if info.isdir() or (info.isreg() and not sparse) else "a sparse file or a device, expected plain files"


def _read_header(stream: _TarStream) -> tuple[tarfile.TarInfo, dict[str, str]] | None:
    """Read the header of the next member and the additional ones before it; return None after the last member.

    Returns:
        The header, and the attributes that replace its values: `path`, `size`, and those of sparse files.
    """
    attributes: dict[str, str] = {}
    for number in range(MAX_HEADERS + 1):
        block = stream.read(tarfile.BLOCKSIZE)
        if number == 0 and block == bytes(tarfile.BLOCKSIZE):
            return None
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.type not in ADDITIONAL_HEADERS:
            return info, attributes
        if not 0 <= info.size <= MAX_HEADER_BYTES:
            reason = f"a header of {info.size} bytes, expected at most {MAX_HEADER_BYTES}"
            raise tarfile.HeaderError(reason)
        body = b"".join(stream.read_padded(info.size))
        if info.type == tarfile.GNUTYPE_LONGNAME:
            attributes["path"] = _decode(body.partition(b"\0")[0])
        elif info.type in {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}:
            attributes |= _parse_pax_records(body)
    reason = f"more than {MAX_HEADERS} headers before a member"
    raise tarfile.HeaderError(reason)


def _parse_pax_records(body: bytes) -> dict[str, str]:
    """Return the attributes that this module uses from records like `22 path=train/a.png`, each with a line end."""
    attributes: dict[str, str] = {}
    position = 0
    for _ in range(MAX_RECORDS + 1):
        if position == len(body):
            return attributes
        length = _parse_number(_decode(body[position : position + MAX_DIGITS].partition(b" ")[0]))
        record = body[position : position + length]
        key, separator, value = record.partition(b" ")[2].partition(b"=")
        if len(record) != length or not separator or not value.endswith(b"\n"):
            reason = "a header with a damaged record"
            raise tarfile.HeaderError(reason)
        if key in {b"path", b"size"} or key.startswith(b"GNU.sparse."):
            attributes[_decode(key)] = _decode(value[:-1])
        position += length
    reason = f"a header of more than {MAX_RECORDS} attributes"
    raise tarfile.HeaderError(reason)


def _parse_number(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > MAX_DIGITS:
        reason = "a header with a damaged number"
        raise tarfile.HeaderError(reason)
    return int(text)


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _open_tar(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(MAGIC_OFFSET + 5)
    for magic, opener in DECOMPRESSORS.items():
        if start.startswith(magic):
            return opener(path)
    if start[MAGIC_OFFSET:] == b"ustar":
        return path.open("rb")
    formats = [name for magic, name in OTHER_FORMATS.items() if start.startswith(magic)]
    reason = "neither a folder nor a zip or tar file" if start else "an empty file"
    raise ArchiveError(f"{formats[0]}, expected zip, tar, tar.gz, tar.bz2 or tar.xz" if formats else reason)


class _TarStream:
    """The bytes of a tar file, decompressed, from the first to the last; their number is limited."""

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self._stream, self._max_bytes, self._bytes_left = stream, max_bytes, max_bytes

    def read(self, length: int) -> bytes:
        """Return the next bytes, fewer at the end of the file; `length` is at most `MAX_HEADER_BYTES`."""
        data = b""
        while len(data) < length and (chunk := self._stream.read(length - len(data))):
            data += chunk
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            reason = f"more than {self._max_bytes} bytes unpacked with all headers, expected at most that"
            raise ArchiveError(reason)
        return data

    def read_padded(self, length: int) -> Iterator[bytes]:
        """Yield the next bytes in chunks; skip what fills their last block."""
        left = length
        while left:
            chunk = self.read(min(left, CHUNK_BYTES))
            if not chunk:
                reason = "it ends within a member"
                raise EOFError(reason)
            left -= len(chunk)
            yield chunk
        self.read(-length % tarfile.BLOCKSIZE)


@contextmanager
def _open_xz(path: Path) -> Iterator[_XzFile]:
    with path.open("rb") as file:
        yield _XzFile(file)


class _XzFile:
    """A reader of xz with limited memory for the dictionary, which `lzma.open` lacks."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._decompressor = file, self._new_decompressor()

    @staticmethod
    def _new_decompressor() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def read(self, length: int) -> bytes:
        """Return at least one and at most `length` decompressed bytes; none at the end of the file."""
        data = b""
        while not data:
            if self._decompressor.eof:  # another stream may follow, after zeros
                following = self._decompressor.unused_data.lstrip(b"\0") or self._read_after_zeros()
                if not following:
                    return b""
                self._decompressor = self._new_decompressor()
            else:
                following = self._file.read(CHUNK_BYTES) if self._decompressor.needs_input else b""
                if self._decompressor.needs_input and not following:
                    reason = "it ends within an xz stream"
                    raise EOFError(reason)
            data = self._decompress(following, length)
        return data

    def _decompress(self, following: bytes, length: int) -> bytes:
        try:
            return self._decompressor.decompress(following, length)
        except lzma.LZMAError as error:
            if "Memory usage limit" not in str(error):
                raise
            reason = f"xz needs more than {XZ_MEMORY} bytes of memory for it, expected at most that, as after `xz -9`"
            raise ArchiveError(reason) from None

    def _read_after_zeros(self) -> bytes:
        while chunk := self._file.read(CHUNK_BYTES):
            if rest := chunk.lstrip(b"\0"):
                return rest
        return b""


DECOMPRESSORS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": _open_xz,
}
