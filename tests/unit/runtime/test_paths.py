"""Files are written completely or not at all; no two outputs share a path."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shoepair.runtime import atomic_files, json_files, paths
from shoepair.runtime.errors import ShoepairError


def test_failure_where_there_was_no_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk"), atomic_files.atomic_write(tmp_path / "a") as part:  # noqa: PT012 - the block is tested
        part.write_text("half")
        reason = "disk"
        raise OSError(reason)
    assert list(tmp_path.iterdir()) == []


def test_reader_meets_the_old_file_until_the_block_ends(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("old")
    with atomic_files.atomic_write(tmp_path / "a.h5") as part:
        part.write_text("new")
        assert (tmp_path / "a.h5").read_text() == "old"
        assert part.parent == tmp_path, "a rename across file systems is no rename"
        assert part.name.startswith("."), "a partial photo or table must not be taken for a complete one"
        with atomic_files.atomic_write(tmp_path / "a.h5") as other:
            assert other != part
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.h5", "new")]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_permissions_follow_the_umask_which_stays_as_it_was(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        (tmp_path / "a").touch(mode=0o600)  # the mode of the replaced file does not matter
        atomic_files.write_text(tmp_path / "a", "x")
    finally:
        after = os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode
    assert after == mask


def test_text_is_written_as_utf_8_with_plain_line_ends(tmp_path: Path) -> None:
    atomic_files.write_text(tmp_path / "a", "Schuh größer\n")
    assert (tmp_path / "a").read_bytes() == "Schuh größer\n".encode()


def test_json_keeps_the_order_of_its_keys(tmp_path: Path) -> None:
    json_files.write_json(tmp_path / "a", {"valid": {"b": 1, "a": 0.5}, "train": 2})
    assert (tmp_path / "a").read_text().endswith("\n")
    assert json.dumps(json_files.read_json(tmp_path / "a", "")) == '{"valid": {"b": 1, "a": 0.5}, "train": 2}'


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_json_without_numbers_that_json_does_not_know(tmp_path: Path, number: float) -> None:
    json_files.write_json(tmp_path / "a", {"accuracy": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_files.write_json(tmp_path / "a", {"accuracy": number})
    assert json_files.read_json(tmp_path / "a", "") == {"accuracy": 1}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"3", b"", b'{"a": "\xff"}'])
def test_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ShoepairError, match=r"a: not a JSON object\nrun this$"):
        json_files.read_json(tmp_path / "a", "run this")


def test_missing_json_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ShoepairError, match=r"a: missing\nrun this$"):
        json_files.read_json(tmp_path / "a", "run this")


def test_no_two_outputs_share_a_path_and_all_are_in_the_project() -> None:
    of_batch: tuple[Callable[[str], Path], ...] = (
        paths.raw_path,
        paths.manifest_path,
        paths.accepted_path,
        paths.validation_report_path,
        paths.store_path,
    )
    of_model = (
        paths.weights_path,
        paths.model_card_path,
        paths.checkpoint_path,
        paths.epoch_curve_path,
        paths.loss_curve_path,
    )
    fixed = [value for name, value in vars(paths).items() if name.isupper() and isinstance(value, Path)]
    all_paths = [*fixed, *(path_of(name) for path_of in (*of_batch, *of_model) for name in ("a", "b"))]
    assert len(set(all_paths)) == len(all_paths) >= 30
    assert not [path for path in all_paths if path.is_absolute() or ".." in path.parts]
