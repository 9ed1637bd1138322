"""A new batch beside those that are there: what differs is told, what does not is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter
from support.commands import CLI, Run
from support.field import write_class, write_student

from shoepair.commands.collection import drift
from shoepair.ingestion import rules, scan
from shoepair.runtime import paths
from stages import ingest, validate

EDGE = 32
Change = Callable[[Image.Image], Image.Image]
ODD = [f"u{number}" for number in range(301, 341, 2)]
EVEN = [f"u{number}" for number in range(300, 340, 2)]


@pytest.fixture
def there(project: Path) -> Path:
    """A batch of 20 students, worked; half of them with women's shoes."""
    shutil.rmtree(paths.raw("tiny"))
    write_half(paths.raw("tiny"), ODD)
    for stage in (ingest, validate):
        stage.main("tiny")
    return project


def write_half(folder: Path, students: list[str]) -> None:
    for number, student in enumerate(students):
        write_student(folder / "train", student, "mw"[number % 2])


def compared(folder: Path) -> list[drift.Shift]:
    verdict = rules.check("new", folder, scan.scan(folder), EDGE)
    return drift.compare(verdict.accepted, verdict.measured)


def shifted(folder: Path) -> set[str]:
    found = compared(folder)
    assert [shift.measure for shift in found] == [*drift.MEASURES, "women"]
    return {shift.measure for shift in found if shift.shifted}


def test_batch_of_the_same_source_is_not_flagged(there: Path) -> None:
    write_half(there / "new", EVEN)
    assert shifted(there / "new") == set()


def darkened(image: Image.Image) -> Image.Image:
    return image.point(lambda value: value // 3)


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(2))


@pytest.mark.parametrize(
    ("change", "measure"),
    [(darkened, "brightness"), (blurred, "sharpness")],
)
def test_changed_batch_is_flagged_by_what_changed(there: Path, change: Change, measure: str) -> None:
    write_half(there / "new", EVEN)
    for path in (there / "new").rglob("*.jpg"):
        with Image.open(path) as image:
            changed = change(image.convert("RGB"))
        changed.save(path, "PNG")
    assert measure in shifted(there / "new")


def test_files_of_another_size_and_women_alone_are_flagged(there: Path) -> None:
    for student in EVEN:
        write_student(there / "new/train", student, "w")
    for path in (there / "new").rglob("*.jpg"):
        path.write_bytes(path.read_bytes() + bytes(9000))
    assert {"size", "women"} <= shifted(there / "new")


def test_few_students_or_nothing_to_compare_with_say_nothing(there: Path) -> None:
    write_class(there / "new", {"train": ("u400", "u401")})
    assert compared(there / "new") == []
    paths.signs("tiny").unlink()
    write_half(there / "more", EVEN)
    assert compared(there / "more") == []


def test_false_alarms_are_rare() -> None:
    """200 pairs of batches of one source: with four measures each at most a few are flagged."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        here, there = (pd.Series(rng.normal(size=size)) for size in (12, 80))
        alarms += drift._shift("brightness", here, there).shifted
    assert alarms <= 3


def test_adding_tells_the_drift(there: Path, run: Run) -> None:
    write_half(there / "new", EVEN)
    for path in (there / "new").rglob("*.jpg"):
        with Image.open(path) as image:
            dark = darkened(image.convert("RGB"))
        dark.save(path, "PNG")
    said = run(*CLI, "add", "new", "--name", "new", "--dry-run").stdout
    assert "drift: brightness" in said
    assert "look at some photos before you go on" in said
    assert "no drift in" in said
