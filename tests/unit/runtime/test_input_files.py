"""Reading of files that may come from elsewhere: missing, too long, or no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shoepair.runtime import input_files
from shoepair.runtime.errors import ShoepairError


def test_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert input_files.read_bytes(tmp_path / "a", 3, "") == b"abc"
    with pytest.raises(ShoepairError, match=r"a: more than 2 bytes, expected at most that\nrun this$"):
        input_files.read_bytes(tmp_path / "a", 2, "run this")


def test_sparse_file_of_a_terabyte_takes_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ShoepairError, match="more than 1,000 bytes"):
        input_files.read_bytes(tmp_path / "a", 1000, "")


def test_missing_file_is_not_to_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "a", tmp_path / "file/a"):
        with pytest.raises(ShoepairError, match=r"a: missing\nrun this$"):
            input_files.read_bytes(path, 3, "delete it and run this")


def test_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ShoepairError, match=r"a: a device or pipe, expected a file\nrun this$"):
        input_files.read_bytes(tmp_path / "a", 3, "run this")
