"""Files with a checksum: whatever bit is turned, the file is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoepair.runtime import checked_files

CONTENT = bytes(range(200))


@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
def test_written_content_is_read_back(tmp_path: Path, content: bytes) -> None:
    checked_files.write_checked(tmp_path / "a/b", content)
    assert checked_files.read_checked(tmp_path / "a/b") == content
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_no_turned_bit_is_overlooked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    checked_files.write_checked(path, CONTENT)
    written = path.read_bytes()
    for position in range(len(written)):
        for bit in range(8):
            path.write_bytes(written[:position] + bytes([written[position] ^ 1 << bit]) + written[position + 1 :])
            assert checked_files.read_checked(path) is None, (position, bit)


def test_missing_shortened_or_longer_file_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert checked_files.read_checked(path) is None
    checked_files.write_checked(path, CONTENT)
    written = path.read_bytes()
    for other in (b"", written[:-1], written[1:], written[: checked_files.DIGEST_DIGITS], written + b"\0", CONTENT):
        path.write_bytes(other)
        assert checked_files.read_checked(path) is None
