"""One flipped byte, wherever it lies, is noticed and named; and what is told to do about it helps."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Run
from support.faults import flip

from shoepair.commands.history import verify
from shoepair.runtime import atomic_files


def change(folder: Path) -> str:
    flip(folder / "train/u001_1_left_m.jpg")
    return "train/u001_1_left_m.jpg: changed"


def lose(folder: Path) -> str:
    (folder / "train/u001_1_left_m.jpg").unlink()
    return "train/u001_1_left_m.jpg: missing"


def gain(folder: Path) -> str:
    (folder / "train/extra.jpg").write_bytes(b"x")
    return "train/extra.jpg: new"


@pytest.mark.parametrize("happen", [change, lose, gain])
def test_photos_that_changed_since_they_were_added_are_named(
    repository: Path, run: Run, happen: Callable[[Path], str]
) -> None:
    assert verify.verify_file_digests().problems == []
    said = happen(repository / "data/raw/tiny")
    (problem,) = verify.verify_file_digests().problems
    assert problem.startswith(f"data/raw/tiny/{said} since data/raw/tiny was recorded")
    assert "`dvc add data/raw/tiny` records it as it is" in problem
    for path in (repository / "data/raw/tiny/train").iterdir():
        os.utime(path)  # DVC looks at a file again when its time is new
    run("dvc", "add", "-q", "data/raw/tiny")
    assert verify.verify_file_digests().problems == []


def test_folder_whose_listing_is_not_cached_is_compared_as_a_whole(repository: Path) -> None:
    for listing in (repository / ".dvc/cache/files/md5").glob("??/*.dir"):
        listing.unlink()
    assert verify.verify_file_digests().problems == []
    flip(repository / "data/raw/tiny/train/u001_1_left_m.jpg")
    assert verify.verify_file_digests().problems[0].startswith("data/raw/tiny: changed since it was recorded")


def test_input_that_changed_is_told_from_a_damaged_output(repository: Path, run: Run) -> None:
    run("dvc", "repro", "-q", "ingest")
    with (repository / "stages/ingest.py").open("a") as file:
        file.write("# changed\n")
    wanted = "stages/ingest.py: changed since it was recorded; `dvc repro` uses it as it is"
    assert verify.verify_file_digests().problems == [wanted]


def test_half_written_file_of_a_killed_stage_changes_no_folder(repository: Path, run: Run) -> None:
    (repository / f"data/raw/tiny/.late.h5.x1y2{atomic_files.PARTIAL_SUFFIX}").write_bytes(b"half")
    run("dvc", "status", "-q", "data/raw/tiny.dvc")
    assert verify.verify_file_digests().problems == []
