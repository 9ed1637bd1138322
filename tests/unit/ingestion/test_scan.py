"""What lies in a batch's folder, row by row."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from support.field import write_photo

from shoepair.data import schemas
from shoepair.ingestion import scan
from shoepair.runtime.errors import ShoepairError

PHOTO = "u052_3_left_w.png"
NOTHING = dict.fromkeys(("set", "student", "pair", "side", "kind", "sha256", "fault"))


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The rows of a batch by their path, empty where a part is missing."""
    found = schemas.Files.validate(scan.scan(folder))
    plain = found.astype(object).where(found.notna(), None)
    rows: list[Any] = plain.to_dict("records")
    return {row.pop("path"): row for row in rows}


def test_photo_has_a_row_with_what_its_name_and_its_bytes_tell(tmp_path: Path) -> None:
    for place in ("", "train", "test_w"):
        write_photo(tmp_path / place / PHOTO, [len(place)], 4)
    found = rows_of(tmp_path)
    assert list(found) == ["test_w/" + PHOTO, "train/" + PHOTO, PHOTO]
    for name, row in found.items():
        content = (tmp_path / name).read_bytes()
        named = "test_w" if name.startswith("test_w") else "train"
        assert row == {
            "set": named,
            "student": "u052",
            "pair": 3,
            "side": "left",
            "kind": "w",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "ignored": False,
            "fault": None,
        }


def test_what_is_no_photo_has_a_row_with_its_fault(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write_photo(tmp_path / "valid" / PHOTO, [1], 4)
    (tmp_path / "train" / "notes\n.txt").write_bytes(b"abc")
    (tmp_path / "train" / PHOTO).symlink_to(tmp_path / "valid" / PHOTO)
    (tmp_path / "test_m").symlink_to(tmp_path / "valid")
    found = rows_of(tmp_path)
    digest = hashlib.sha256(b"abc").hexdigest()
    link = {**NOTHING, "bytes": 0, "ignored": False, "fault": "not a regular file but a link"}
    assert found.pop("test_m") == link, "a link to a folder is looked into"
    assert found.pop("train/" + PHOTO) == link
    named = found.pop(r"train/notes\n.txt")
    assert (named["bytes"], named["sha256"], named["set"], named["student"]) == (3, digest, None, None)
    assert named["fault"] == "not a photo's name, expected like u052_3_left_w.png"
    assert found.pop("valid/" + PHOTO)["fault"] == "in folder 'valid', expected train, test_m, test_w or none"
    assert found == {}


def test_what_systems_leave_behind_is_listed_and_not_read(tmp_path: Path) -> None:
    write_photo(tmp_path / PHOTO, [1], 4)
    for name in (".DS_Store", ".git/config", "train/Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / ".link").symlink_to(tmp_path / PHOTO)
    found = rows_of(tmp_path)
    assert found.pop(PHOTO)["ignored"] is False
    assert found.pop(".link") == {**NOTHING, "bytes": 0, "ignored": True}
    ignored = {**NOTHING, "bytes": 5, "ignored": True}
    assert found == {".DS_Store": ignored, ".git/config": ignored, "train/Thumbs.db": ignored}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".a", True),
        ("train/.a/b.png", True),
        ("Thumbs.db", True),
        ("train/desktop.ini", True),
        ("Thumbs.db/a.png", False),
        ("train/thumbs.db", False),
        ("train/a.", False),
    ],
)
def test_system_file_is_told_by_a_dot_or_its_own_name(path: str, expected: bool) -> None:
    assert scan.is_system_file(Path(path)) is expected


def test_rows_are_the_same_however_many_files_a_piece_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / f"u{number}_1_left_m.jpg").write_bytes(bytes(9 - number))
    write_photo(tmp_path / "train" / PHOTO, [1], 4)
    (tmp_path / "train.png").write_bytes(b"x")  # as text before what is in `train`, as a path behind it
    whole = scan.scan(tmp_path)
    names = [f"u{number}_1_left_m.jpg" for number in range(5)]
    assert list(whole["path"]) == ["train.png", "train/" + PHOTO, *names]
    monkeypatch.setattr(scan, "PIECE", 2)
    assert_frame_equal(scan.scan(tmp_path), whole)
    assert list(whole.columns) == list(schemas.Files.to_schema().columns)
    assert isinstance(whole, pd.DataFrame)


def test_folder_without_photos_and_no_folder_are_refused_with_what_to_do(tmp_path: Path) -> None:
    winter = tmp_path / "winter"
    text = r"winter: no such folder, but the batch is listed in data/batches\.yaml\n.*, or take 'winter' from the list"
    with pytest.raises(ShoepairError, match=text):
        scan.scan(winter)
    winter.mkdir()
    for name in ("", ".hidden"):
        (winter / name / "more").mkdir(parents=True)
        with pytest.raises(ShoepairError, match=r"winter: no photos\nput the photos there: six for each student"):
            scan.scan(winter)
