"""Drift of a new batch against the existing ones, in cases with a known result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.field import EDGE, write_student
from support.settings import write_settings

from shoepair.commands.collection import add, drift
from shoepair.commands.collection.drift import Shift
from shoepair.data import parquet_files, schemas, store
from shoepair.ingestion import file_manifest, validation
from shoepair.runtime import paths

KILOBYTES = 9  # of every photo: more than any has by itself


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_photos(folder: Path, categories: str, first: int, kilobytes: float) -> Path:
    """Write a student per letter of `categories`, whose photos all have this length."""
    for number, category in enumerate(categories, first):
        for path in write_student(folder / "train", f"u{number}", category):
            content = path.read_bytes()
            path.write_bytes(content + bytes(int(1000 * kilobytes) - len(content)))
    return folder


def write_validated(batch: str, categories: str, first: int, kilobytes: float = KILOBYTES) -> None:
    """Write a batch as `validate` and `normalize` leave it, with constant image stats."""
    folder = write_photos(paths.raw_path(batch), categories, first, kilobytes)
    accepted = validation.select_accepted_photo_rows(file_manifest.build_manifest(folder))
    parquet_files.write_table(paths.accepted_path(batch), accepted, schemas.AcceptedPhotos)
    same: dict[str, Any] = {
        "width": EDGE,
        "height": EDGE,
        "blur": 0.1,
        "grey_1": 0.2,
        "grey_5": 0.3,
        "grey_99": 0.9,
        "phashes": "",
    }
    stats = accepted.assign(**same)[list(schemas.ImageStats.to_schema().columns)]
    parquet_files.write_table(paths.image_stats_path(batch), stats, schemas.ImageStats)
    students = sorted(set(accepted["student"]))
    store.write_store(
        paths.store_path(batch), students, (np.zeros((3, 2, EDGE, EDGE, 3), np.uint8) for _ in students), EDGE
    )


def add_new(categories: str, kilobytes: float = KILOBYTES) -> dict[str, Shift]:
    """Return the shifts that `shoepair add` reports."""
    write_photos(Path("new"), categories, 500, kilobytes)
    shifts = add.add_batch(Path("new"), "new", dry_run=True)[1]
    assert [shift.measure for shift in shifts] in ([], [*drift.MEASURES, "women"])
    return {shift.measure: shift for shift in shifts}


@pytest.mark.parametrize(("new", "existing"), [(5, 5), (4, 5), (5, 4)])
def test_fewer_than_five_students_on_either_side_are_not_compared(new: int, existing: int) -> None:
    write_settings("old")
    write_validated("old", "m" * existing, 100)
    assert bool(add_new("m" * new)) == (min(new, existing) == 5)


def test_students_of_all_listed_and_validated_batches_count() -> None:
    write_settings("one", "two", "raw")
    write_validated("one", "mmm", 100)
    write_validated("two", "ww", 200, KILOBYTES + 2)
    write_validated("unlisted", "w" * 4, 300, 20)
    write_photos(paths.raw_path("raw"), "w", 400, KILOBYTES)
    shifts = add_new("mmmmw", KILOBYTES + 1)
    size, women = shifts["size"], shifts["women"]
    assert [size.new_value, size.existing_value, size.distance] == pytest.approx([KILOBYTES + 1, KILOBYTES, 0.6])
    assert [women.new_value, women.existing_value, women.distance] == pytest.approx([0.2, 0.4, 0.2])
    assert not size.is_shifted, "large, but no more than chance does with five students"


def test_shift_of_every_student_is_reported_with_enough_students() -> None:
    write_settings("old")
    write_validated("old", "mw" * 5, 100)
    shifts = add_new("w" * 10, 2 * KILOBYTES)
    size = shifts["size"]
    assert [size.new_value, size.existing_value, size.distance] == pytest.approx([18, 9, 1])
    assert size.p_value == pytest.approx(2 / 184_756), "one of the ways to take 10 of 20, either way round"
    assert size.is_shifted
    assert shifts["women"].distance == pytest.approx(0.5)
    assert not shifts["women"].is_shifted, "chance alone does as much too often"


def test_batch_like_the_others_shows_no_shift() -> None:
    write_settings("old")
    write_validated("old", "mwmwm", 100)
    shifts = add_new("mwmwm")
    assert [name for name, shift in shifts.items() if shift.is_shifted] == []
    assert (shifts["size"].distance, shifts["women"].distance) == (0, 0)
    assert (shifts["size"].p_value, shifts["women"].p_value) == (1, 1)
