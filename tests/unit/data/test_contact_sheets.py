"""Contact sheets: which photo is where, the pairs with their photos, sizes, and the same bytes again."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from shoepair.data import contact_sheets, store
from shoepair.runtime import paths

EDGE = 16


def write_class(students: list[str], edge: int = EDGE) -> None:
    """Write a store whose photos have one grey each: 40 for each pair, and 20 more on the right."""
    greys = np.array([[40 * pair + 20 * side for side in range(2)] for pair in (1, 2, 3)], np.uint8)
    photos = np.broadcast_to(greys[..., None, None, None], (3, 2, edge, edge, 3)).copy()
    store.write_store(paths.store_path("a"), students, [photos] * len(students), edge)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def grey(image: Image.Image) -> int:
    values = np.asarray(image.convert("L"))
    assert np.ptp(values) <= 2
    return round(float(values.mean()))


def test_sheet_has_a_column_per_pair_and_left_shoes_above() -> None:
    write_class(["u1"])
    assert contact_sheets.write_sheets("a", paths.sheets_path("a"))[0] == 1
    with Image.open(paths.sheets_path("a") / "u1.jpg") as sheet:
        assert sheet.size == (3 * EDGE, 2 * EDGE)
        for pair in range(3):
            for side in range(2):
                box = (pair * EDGE + 4, side * EDGE + 4, pair * EDGE + 12, side * EDGE + 12)
                assert grey(sheet.crop(box)) == pytest.approx(40 * (pair + 1) + 20 * side, abs=2)


def test_pairs_have_the_photos_of_their_shoes_and_store_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheets, "STUDENTS_PER_ROW_GROUP", 2)
    write_class(["u1", "u2", "u3"])
    contact_sheets.write_sheets("a", paths.sheets_path("a"))
    path = paths.sheets_path("a") / contact_sheets.PAIRS_FILE
    rows = parquet.read_table(path).to_pylist()
    assert [row["student"] for row in rows] == ["u1"] * 9 + ["u2"] * 9 + ["u3"] * 9
    for row in rows:
        assert row["same"] == (row["left"] == row["right"])
        for column, right in (("left", 0), ("right", 1)):
            with Image.open(io.BytesIO(row[f"{column}_photo"])) as photo:
                assert grey(photo) == pytest.approx(40 * row[column] + 20 * right, abs=2)
    photos = parquet.ParquetFile(path).metadata.row_group(0).column(5)
    assert "RLE_DICTIONARY" in photos.encodings
    assert photos.total_uncompressed_size < 4 * len(rows[0]["left_photo"]), "a photo is stored more than once"


def test_large_photos_are_scaled_and_the_same_store_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheets, "MAX_EDGE", 8)
    write_class(["u1"])
    folder = paths.sheets_path("a")
    contact_sheets.write_sheets("a", folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    with Image.open(folder / "u1.jpg") as sheet:
        assert sheet.size == (24, 16)
    contact_sheets.write_sheets("a", folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_students_that_left_the_batch_leave_no_sheet() -> None:
    write_class(["u1", "u2"])
    contact_sheets.write_sheets("a", paths.sheets_path("a"))
    write_class(["u2"])
    contact_sheets.write_sheets("a", paths.sheets_path("a"))
    assert sorted(path.name for path in paths.sheets_path("a").iterdir()) == ["pairs.parquet", "u2.jpg"]
    assert [path.name for path in paths.sheets_path("a").parent.iterdir()] == ["a"]
