"""Overview of the batches, from file names, manifests and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.field import write_student
from support.settings import write, write_settings

from shoepair.commands.collection import overview
from shoepair.data import parquet_files, schemas
from shoepair.ingestion import file_manifest
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError

COLUMNS = ["path", "student", "category", "bytes"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def keep_manifest_only(batch: str) -> None:
    """Write the manifest of a batch, and move its photos away."""
    parquet_files.write_table(
        paths.manifest_path(batch), file_manifest.build_manifest(paths.raw_path(batch)), schemas.Manifest
    )
    paths.raw_path(batch).rename("away")


def summary(batch: str) -> dict[str, Any]:
    """Return the row of a batch, without missing values."""
    rows = {row["batch"]: row for row in overview.batch_overview_rows().to_dict("records")}
    return {str(name): value for name, value in rows[batch].items() if not pd.isna(value)}


def test_only_photos_with_valid_names_are_listed() -> None:
    folder = paths.raw_path("a") / "train"
    photo = write_student(folder, "u002")[0]
    for name in ("notes.txt", "u003_4_left_m.jpg", ".u004_1_left_m.jpg", ".hidden/u005_1_left_m.jpg", "Thumbs.db"):
        write(folder / name, b"x")
    (folder / "u006_1_left_m.jpg").symlink_to(photo.absolute())
    write(paths.raw_path("a") / "test_w/u001_2_right_w.png", b"1234567")
    photos = overview.list_photo_rows("a")
    assert photos is not None
    assert photos[COLUMNS].to_dict("records")[0] == {
        **{"path": "test_w/u001_2_right_w.png", "student": "u001", "category": "w", "bytes": 7}
    }
    assert list(photos["path"][1:]) == [
        f"train/u002_{pair}_{side}_m.jpg" for pair in (1, 2, 3) for side in ("left", "right")
    ]


def test_manifest_is_read_without_photos() -> None:
    write_student(paths.raw_path("a") / "train", "u001")
    write(paths.raw_path("a") / "train/notes.txt", b"x")
    from_folder = overview.list_photo_rows("a")
    keep_manifest_only("a")
    from_manifest = overview.list_photo_rows("a")
    assert from_folder is not None
    assert from_manifest is not None
    assert from_manifest[COLUMNS].to_dict("records") == from_folder[COLUMNS].to_dict("records")
    assert overview.list_photo_rows("b") is None


def test_batches_have_the_numbers_that_are_known() -> None:
    write_settings("a", "far", "drawn", synthetic_classes=("drawn",))
    folder = paths.raw_path("a") / "train"
    photos = write_student(folder, "u001", "m") + write_student(folder, "u002", "w")
    for path in photos[:2]:
        path.rename(path.with_name(path.name.replace("_m.", "_w.")))  # a pair of women's shoes among men's
    zeros = dict.fromkeys(("files", "accepted", "quarantined", "ignored", "students", "quarantined_students"), 0)
    report = {**zeros, "changed": {}, "flags": {}, "reasons": {}}
    json_files.write_json(paths.validation_report_path("a"), report | {"quarantined_students": 2})
    json_files.write_json(paths.validation_report_path("far"), report)
    length = sum(path.stat().st_size for path in folder.iterdir())
    counts = {"students": 2, "photos": 12, "men": 0, "women": 1, "both": 1, "quarantined": 2, "bytes": length}
    assert summary("a") == {"batch": "a", "source": "added", **counts}
    assert summary("far") == {"batch": "far", "source": "added", "quarantined": 0}
    assert summary("drawn") == {"batch": "drawn", "source": "drawn"}


def test_batch_without_a_valid_name_has_no_students() -> None:
    write_settings("a")
    write(paths.raw_path("a") / "train/notes.txt", b"x")
    zeros = dict.fromkeys(("students", "photos", "men", "women", "both", "bytes"), 0)
    assert summary("a") == {"batch": "a", "source": "added", **zeros}
    write_settings()
    assert overview.batch_overview_rows().empty


def test_batches_with_photos_are_validated_and_their_absence_is_reported() -> None:
    write_settings("far", "a")
    write_student(paths.raw_path("a") / "train", "u001")
    (result,) = overview.validation_result_by_batch().values()
    assert result.count_files()["students"] == 1
    paths.raw_path("a").rename("away")
    with pytest.raises(ShoepairError, match=r"^data/raw: no photos of any listed batch\nrun `dvc pull`"):
        overview.validation_result_by_batch()
