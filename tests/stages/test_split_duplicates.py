"""One photo twice: found however it was changed, and never let into two splits."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.field import edit

from shoepair.data import schemas, tables
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, split, validate

TINY = Path("data/raw/tiny")


def copy_again(source: str, target: str) -> None:
    """Another encoding of a photo under the name of another."""
    with Image.open(TINY / source) as image:
        copied = image.convert("RGB")
    copied.save(TINY / target, "WEBP", quality=95)


def build() -> None:
    ingest.main("tiny")
    validate.main("tiny")
    split.main()


@pytest.mark.usefixtures("project")
def test_photo_in_two_splits_is_refused() -> None:
    copy_again("train/u001_1_left_m.jpg", "test_m/u021_2_right_m.jpg")
    with pytest.raises(ShoepairError) as refused:
        build()
    said = str(refused.value)
    assert "1 photo in two splits, re-encoded, cropped or mirrored" in said
    assert "tiny/test_m/u021_2_right_m.jpg (test_m) and tiny/train/u001_1_left_m.jpg (" in said
    assert not paths.SPLIT.exists()
    least = said.rpartition("`split.duplicate_bits` to ")[2]
    edit(paths.PARAMS, "duplicate_bits: 20 ", f"duplicate_bits: {least} ")
    build()  # what the message advises helps
    assert paths.SPLIT.exists()


@pytest.mark.usefixtures("project")
def test_photo_twice_in_one_split_is_told_only(capsys: pytest.CaptureFixture[str]) -> None:
    copy_again("train/u001_1_left_m.jpg", "train/u001_2_right_m.jpg")
    build()
    assert "near-duplicates: 1 within a student, 0 between students" in capsys.readouterr().out
    found = tables.read(paths.DUPLICATES, schemas.Duplicates)
    assert list(found["path"]) == ["train/u001_1_left_m.jpg", "train/u001_2_right_m.jpg"]
    assert list(found["other_path"]) == ["train/u001_2_right_m.jpg", "train/u001_1_left_m.jpg"]


@pytest.mark.usefixtures("project")
def test_more_bits_than_the_search_can_do_are_refused() -> None:
    edit(paths.PARAMS, "duplicate_bits: 20 ", "duplicate_bits: 26 ")
    ingest.main("tiny")
    with pytest.raises(ShoepairError, match=r"split.duplicate_bits: 26"):
        validate.main("tiny")
