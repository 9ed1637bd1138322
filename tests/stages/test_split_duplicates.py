"""Stage split refuses near-duplicate photos in two splits, and reports those in one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.field import edit

from shoepair.data import parquet_files, schemas
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, split, validate

TINY = Path("data/raw/tiny")


def copy_again(source: str, target: str) -> None:
    """Re-encode a photo under the name of another."""
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
    with pytest.raises(ShoepairError) as caught:
        build()
    message = str(caught.value)
    assert "1 photo in two splits, re-encoded, cropped or mirrored" in message
    assert "tiny/test_m/u021_2_right_m.jpg (test_m) and tiny/train/u001_1_left_m.jpg (" in message
    assert not paths.SPLIT.exists()
    distance = message.rpartition("`split.max_hash_distance` to ")[2]
    edit(paths.PARAMS, "max_hash_distance: 20 ", f"max_hash_distance: {distance} ")
    build()  # the fix of the message works
    assert paths.SPLIT.exists()


@pytest.mark.usefixtures("project")
def test_near_duplicates_in_one_split_are_only_reported(capsys: pytest.CaptureFixture[str]) -> None:
    copy_again("train/u001_1_left_m.jpg", "train/u001_2_right_m.jpg")
    build()
    assert "near-duplicates: 1 within a student, 0 between students" in capsys.readouterr().out
    rows = parquet_files.read_table(paths.NEAR_DUPLICATES, schemas.NearDuplicates)
    assert list(rows["path"]) == ["train/u001_1_left_m.jpg", "train/u001_2_right_m.jpg"]
    assert list(rows["other_path"]) == ["train/u001_2_right_m.jpg", "train/u001_1_left_m.jpg"]


@pytest.mark.usefixtures("project")
def test_distance_beyond_the_search_is_refused() -> None:
    edit(paths.PARAMS, "max_hash_distance: 20 ", "max_hash_distance: 26 ")
    ingest.main("tiny")
    with pytest.raises(ShoepairError, match=r"split.max_hash_distance: 26"):
        validate.main("tiny")
