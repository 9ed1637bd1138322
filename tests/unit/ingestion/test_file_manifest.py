"""Manifest rows of the files of a batch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from support.field import write_photo

from shoepair.data import schemas
from shoepair.ingestion import file_manifest
from shoepair.runtime.errors import ShoepairError

PHOTO = "u052_3_left_w.png"
NOTHING = dict.fromkeys(("subset", "student", "pair", "side", "category", "sha256", "error"))


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the manifest rows of a batch by path, with None for missing values."""
    manifest = schemas.Manifest.validate(file_manifest.build_manifest(folder))
    rows: list[Any] = manifest.astype(object).where(manifest.notna(), None).to_dict("records")
    return {row.pop("path"): row for row in rows}


def test_photo_has_a_row_with_its_parsed_name_and_digest(tmp_path: Path) -> None:
    for subset in ("", "train", "test_w"):
        write_photo(tmp_path / subset / PHOTO, [len(subset)], 4)
    rows = rows_of(tmp_path)
    assert list(rows) == ["test_w/" + PHOTO, "train/" + PHOTO, PHOTO]
    for name, row in rows.items():
        content = (tmp_path / name).read_bytes()
        assert row == {
            "subset": "test_w" if name.startswith("test_w") else "train",
            "student": "u052",
            "pair": 3,
            "side": "left",
            "category": "w",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "ignored": False,
            "error": None,
        }


def test_other_file_has_a_row_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write_photo(tmp_path / "valid" / PHOTO, [1], 4)
    (tmp_path / "train" / "notes\n.mov").write_bytes(b"abc")
    (tmp_path / "train" / PHOTO).symlink_to(tmp_path / "valid" / PHOTO)
    (tmp_path / "test_m").symlink_to(tmp_path / "valid")
    rows = rows_of(tmp_path)
    digest = hashlib.sha256(b"abc").hexdigest()
    link = {**NOTHING, "bytes": 0, "ignored": False, "error": "not a regular file but a link"}
    assert rows.pop("test_m") == link, "a link to a folder was followed"
    assert rows.pop("train/" + PHOTO) == link
    notes = rows.pop(r"train/notes\n.mov")
    assert (notes["bytes"], notes["sha256"], notes["subset"], notes["student"]) == (3, digest, None, None)
    assert notes["error"] == "not a photo's name, expected like u052_3_left_w.png"
    assert rows.pop("valid/" + PHOTO)["error"] == "in folder 'valid', expected train, test_m, test_w or none"
    assert rows == {}


def test_system_files_are_listed_and_not_read(tmp_path: Path) -> None:
    write_photo(tmp_path / PHOTO, [1], 4)
    for name in (".DS_Store", ".git/config", "train/Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / ".link").symlink_to(tmp_path / PHOTO)
    rows = rows_of(tmp_path)
    assert rows.pop(PHOTO)["ignored"] is False
    assert rows.pop(".link") == {**NOTHING, "bytes": 0, "ignored": True}
    ignored = {**NOTHING, "bytes": 5, "ignored": True}
    assert rows == {".DS_Store": ignored, ".git/config": ignored, "train/Thumbs.db": ignored}


def test_system_files_are_left_out_and_counted_where_dvc_does_not_record_them(tmp_path: Path) -> None:
    write_photo(tmp_path / PHOTO, [1], 4)
    for name in (".DS_Store", "list.csv", "train/@eaDir/x.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"12345")
    manifest = file_manifest.build_manifest(tmp_path, with_system_files=False)
    assert dict(zip(manifest["path"], manifest["ignored"], strict=True)) == {"list.csv": True, PHOTO: False}
    assert file_manifest.count_system_files(tmp_path) == 2


def test_rows_do_not_depend_on_the_number_of_files_per_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / f"u{number}_1_left_m.jpg").write_bytes(bytes(9 - number))
    write_photo(tmp_path / "train" / PHOTO, [1], 4)
    (tmp_path / "train.png").write_bytes(b"x")  # sorts before `train/` as text, after it as a path
    manifest = file_manifest.build_manifest(tmp_path)
    names = [f"u{number}_1_left_m.jpg" for number in range(5)]
    assert list(manifest["path"]) == ["train.png", "train/" + PHOTO, *names]
    monkeypatch.setattr(file_manifest, "FILES_PER_TASK", 2)
    assert_frame_equal(file_manifest.build_manifest(tmp_path), manifest)
    assert list(manifest.columns) == list(schemas.Manifest.to_schema().columns)
    assert isinstance(manifest, pd.DataFrame)


def test_missing_folder_and_folder_without_photos_are_refused_with_a_fix(tmp_path: Path) -> None:
    winter = tmp_path / "winter"
    message = r"winter: no such folder, but the batch is listed in data/batches\.yaml\n.*, or take 'winter' from the"
    with pytest.raises(ShoepairError, match=message):
        file_manifest.build_manifest(winter)
    winter.mkdir()
    for name in ("", ".hidden"):
        (winter / name / "more").mkdir(parents=True)
        with pytest.raises(ShoepairError, match=r"winter: no photos\nput the photos there: six for each student"):
            file_manifest.build_manifest(winter)
    with pytest.raises(ShoepairError, match=r"^late\.zip: no photos\n"):
        file_manifest.build_manifest(winter, location="late.zip")
