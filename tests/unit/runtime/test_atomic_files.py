"""Atomic writes: bytes of the file, name of the temporary file, what remains after a failure."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoepair.runtime import atomic_files

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


@given(UNICODE)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_lies_in_the_file_as_it_is(tmp_path: Path, text: str) -> None:
    atomic_files.write_text(tmp_path / "a", text)
    assert (tmp_path / "a").read_bytes().decode() == text
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208  # only names are compared


def test_unfinished_file_is_known_by_its_name(tmp_path: Path) -> None:
    with atomic_files.atomic_write(tmp_path / "deep" / "er" / "a.h5") as part:
        assert re.fullmatch(r"\.a\.h5\.\w+\.part", part.name)
        assert part.is_file()
        assert part.parent == tmp_path / "deep" / "er"
    assert [path.name for path in part.parent.iterdir()] == ["a.h5"]


def test_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    atomic_files.write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        atomic_files.write_text(tmp_path / "a", "new \udcff")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_what_a_link_shares_with_a_cache_keeps_its_content(tmp_path: Path, link: str) -> None:
    cached, path = tmp_path / "cached", tmp_path / "a"
    cached.write_text("old")
    path.symlink_to(cached) if link == "symbolic" else path.hardlink_to(cached)
    atomic_files.write_text(path, "new")
    assert (cached.read_text(), path.read_text()) == ("old", "new")
    assert not path.is_symlink()


def test_folder_in_the_way_is_an_error_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_files.write_text(tmp_path / "a", "x")
    assert [(path.name, path.is_dir()) for path in tmp_path.iterdir()] == [("a", True)]
