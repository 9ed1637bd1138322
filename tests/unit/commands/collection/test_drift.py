"""What is told of a new batch beside those that are there, where the truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.field import EDGE, write_student
from support.settings import write_settings

from shoepair.commands.collection import add, drift
from shoepair.commands.collection.drift import Shift
from shoepair.data import schemas, store, tables
from shoepair.ingestion import rules, scan
from shoepair.runtime import paths

KILOBYTES = 9  # of every photo: more than any has by itself


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(folder: Path, kinds: str, first: int, kilobytes: float) -> Path:
    """A student for each letter of `kinds`, whose photos are all of this length."""
    for number, kind in enumerate(kinds, first):
        for path in write_student(folder / "train", f"u{number}", kind):
            content = path.read_bytes()
            path.write_bytes(content + bytes(int(1000 * kilobytes) - len(content)))
    return folder


def worked(batch: str, kinds: str, first: int, kilobytes: float = KILOBYTES) -> None:
    """A batch as `validate` and `normalize` leave it, but that nobody looked at its photos."""
    folder = written(paths.raw(batch), kinds, first, kilobytes)
    accepted = rules.accept(scan.scan(folder))
    tables.write(paths.valid(batch), accepted, schemas.Photos)
    same: dict[str, Any] = {
        "width": EDGE,
        "height": EDGE,
        "blur": 0.1,
        "grey_1": 0.2,
        "grey_5": 0.3,
        "grey_99": 0.9,
        "prints": "",
    }
    signs = accepted.assign(**same)[list(schemas.Signs.to_schema().columns)]
    tables.write(paths.signs(batch), signs, schemas.Signs)
    students = sorted(set(accepted["student"]))
    store.write(paths.store(batch), students, (np.zeros((3, 2, EDGE, EDGE, 3), np.uint8) for _ in students), EDGE)


def arrived(kinds: str, kilobytes: float = KILOBYTES) -> dict[str, Shift]:
    """What is told when a class arrives."""
    written(Path("new"), kinds, 500, kilobytes)
    shifts = add.add(Path("new"), "new", dry_run=True)[1]
    assert [shift.measure for shift in shifts] in ([], [*drift.MEASURES, "women"])
    return {shift.measure: shift for shift in shifts}


@pytest.mark.parametrize(("here", "there"), [(5, 5), (4, 5), (5, 4)])
def test_fewer_than_five_students_on_either_side_say_nothing(here: int, there: int) -> None:
    write_settings("old")
    worked("old", "m" * there, 100)
    assert bool(arrived("m" * here)) == (min(here, there) == 5)


def test_students_of_all_listed_batches_that_were_worked_count_together() -> None:
    write_settings("one", "two", "raw")
    worked("one", "mmm", 100)
    worked("two", "ww", 200, KILOBYTES + 2)
    worked("unlisted", "w" * 4, 300, 20)
    written(paths.raw("raw"), "w", 400, KILOBYTES)
    shifts = arrived("mmmmw", KILOBYTES + 1)
    size, women = shifts["size"], shifts["women"]
    assert [size.here, size.there, size.distance] == pytest.approx([KILOBYTES + 1, KILOBYTES, 0.6])
    assert [women.here, women.there, women.distance] == pytest.approx([0.2, 0.4, 0.2])
    assert not size.shifted, "large, but no more than chance does with five students"


def test_shift_of_every_student_is_told_once_there_are_enough_and_equal_batches_are_not() -> None:
    write_settings("old")
    worked("old", "mw" * 5, 100)
    shifts = arrived("w" * 10, 2 * KILOBYTES)
    size = shifts["size"]
    assert [size.here, size.there, size.distance] == pytest.approx([18, 9, 1])
    assert size.p == pytest.approx(2 / 184_756), "one of the ways to take 10 of 20, either way round"
    assert size.shifted
    assert shifts["women"].distance == pytest.approx(0.5)
    assert not shifts["women"].shifted, "chance alone does as much too often"


def test_batch_like_the_others_shows_no_shift() -> None:
    write_settings("old")
    worked("old", "mwmwm", 100)
    shifts = arrived("mwmwm")
    assert [name for name, shift in shifts.items() if shift.shifted] == []
    assert (shifts["size"].distance, shifts["women"].distance) == (0, 0)
    assert (shifts["size"].p, shifts["women"].p) == (1, 1)
