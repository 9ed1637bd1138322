"""Who is in the class, from names, tables and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.field import write_student
from support.settings import write, write_settings

from shoepair.commands.collection import overview
from shoepair.data import documents, schemas, tables
from shoepair.ingestion import scan
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

TOLD = ["path", "student", "kind", "bytes"]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ingested(batch: str) -> None:
    """Make the table of a batch, and take its photos away."""
    tables.write(paths.table(batch), scan.scan(paths.raw(batch)), schemas.Files)
    paths.raw(batch).rename("away")


def told(batch: str) -> dict[str, Any]:
    """The row of a batch, without what is not known."""
    rows = {row["batch"]: row for row in overview.overview().to_dict("records")}
    return {str(name): value for name, value in rows[batch].items() if not pd.isna(value)}


def test_photos_are_known_by_sound_names_alone() -> None:
    folder = paths.raw("a") / "train"
    photo = write_student(folder, "u002")[0]
    for name in ("notes.txt", "u003_4_left_m.jpg", ".u004_1_left_m.jpg", ".hidden/u005_1_left_m.jpg", "Thumbs.db"):
        write(folder / name, b"x")
    (folder / "u006_1_left_m.jpg").symlink_to(photo.absolute())
    write(paths.raw("a") / "test_w/u001_2_right_w.png", b"1234567")
    found = overview.members("a")
    assert found is not None
    assert found[TOLD].to_dict("records")[0] == {
        **{"path": "test_w/u001_2_right_w.png", "student": "u001", "kind": "w", "bytes": 7}
    }
    assert list(found["path"][1:]) == [
        f"train/u002_{pair}_{side}_m.jpg" for pair in (1, 2, 3) for side in ("left", "right")
    ]


def test_table_of_ingest_stands_for_photos_that_are_not_here() -> None:
    write_student(paths.raw("a") / "train", "u001")
    write(paths.raw("a") / "train/notes.txt", b"x")
    here = overview.members("a")
    ingested("a")
    there = overview.members("a")
    assert here is not None
    assert there is not None
    assert there[TOLD].to_dict("records") == here[TOLD].to_dict("records")
    assert overview.members("b") is None


def test_numbers_of_each_batch_are_those_that_can_be_known() -> None:
    write_settings("a", "far", "drawn", samples=("drawn",))
    folder = paths.raw("a") / "train"
    photos = write_student(folder, "u001", "m") + write_student(folder, "u002", "w")
    for path in photos[:2]:
        path.rename(path.with_name(path.name.replace("_m.", "_w.")))  # a pair of women's shoes among men's
    documents.write_json(paths.validation("a"), {"quarantined_students": 2})
    documents.write_json(paths.validation("far"), {})
    length = sum(path.stat().st_size for path in folder.iterdir())
    counts = {"students": 2, "photos": 12, "men": 1, "women": 2, "quarantined": 2, "bytes": length}
    assert told("a") == {"batch": "a", "source": "added", **counts}
    assert told("far") == {"batch": "far", "source": "added", "quarantined": 0}
    assert told("drawn") == {"batch": "drawn", "source": "drawn"}


def test_batch_without_a_sound_name_has_nobody() -> None:
    write_settings("a")
    write(paths.raw("a") / "train/notes.txt", b"x")
    nobody = dict.fromkeys(("students", "photos", "men", "women", "bytes"), 0)
    assert told("a") == {"batch": "a", "source": "added", **nobody}
    write_settings()
    assert overview.overview().empty


def test_batches_whose_photos_are_here_are_judged_and_without_any_it_is_told() -> None:
    write_settings("far", "a")
    write_student(paths.raw("a") / "train", "u001")
    (verdict,) = overview.judged().values()
    assert verdict.counts()["students"] == 1
    paths.raw("a").rename("away")
    with pytest.raises(ShoepairError, match=r"^data/raw: the photos of no listed batch are here\nrun `dvc pull`"):
        overview.judged()
