"""Drift of a new batch against the existing ones: only what differs is reported."""

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
from shoepair.ingestion import file_manifest, validation
from shoepair.runtime import paths
from stages import ingest, validate

EDGE = 32
Change = Callable[[Image.Image], Image.Image]
ODD = [f"u{number}" for number in range(301, 341, 2)]
EVEN = [f"u{number}" for number in range(300, 340, 2)]


@pytest.fixture
def existing(project: Path) -> Path:
    """A project with one validated batch of 20 students, half of them with women's shoes."""
    shutil.rmtree(paths.raw_path("tiny"))
    write_half(paths.raw_path("tiny"), ODD)
    for stage in (ingest, validate):
        stage.main("tiny")
    return project


def write_half(folder: Path, students: list[str]) -> None:
    for number, student in enumerate(students):
        write_student(folder / "train", student, "mw"[number % 2])


def compare(folder: Path) -> list[drift.Shift]:
    result = validation.validate_batch_or_raise("new", folder, file_manifest.build_manifest(folder), EDGE)
    return drift.compare_with_listed_batches(result.accepted, result.image_stats)


def shifted(folder: Path) -> set[str]:
    shifts = compare(folder)
    assert [shift.measure for shift in shifts] == [*drift.MEASURES, "women"]
    return {shift.measure for shift in shifts if shift.is_shifted}


def test_batch_of_the_same_source_is_not_flagged(existing: Path) -> None:
    write_half(existing / "new", EVEN)
    assert shifted(existing / "new") == set()


def darkened(image: Image.Image) -> Image.Image:
    return image.point(lambda value: value // 3)


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(2))


@pytest.mark.parametrize(
    ("change", "measure"),
    [(darkened, "brightness"), (blurred, "sharpness")],
)
def test_changed_batch_is_flagged_by_what_changed(existing: Path, change: Change, measure: str) -> None:
    write_half(existing / "new", EVEN)
    for path in (existing / "new").rglob("*.jpg"):
        with Image.open(path) as image:
            changed = change(image.convert("RGB"))
        changed.save(path, "PNG")
    assert measure in shifted(existing / "new")


def test_files_of_another_size_and_women_alone_are_flagged(existing: Path) -> None:
    for student in EVEN:
        write_student(existing / "new/train", student, "w")
    for path in (existing / "new").rglob("*.jpg"):
        path.write_bytes(path.read_bytes() + bytes(9000))
    assert {"size", "women"} <= shifted(existing / "new")


def test_few_students_or_no_existing_stats_are_not_compared(existing: Path) -> None:
    write_class(existing / "new", {"train": ("u400", "u401")})
    assert compare(existing / "new") == []
    paths.image_stats_path("tiny").unlink()
    write_half(existing / "more", EVEN)
    assert compare(existing / "more") == []


def test_false_alarms_are_rare() -> None:
    """200 pairs of batches of one source: with four measures each at most a few are flagged."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        new, existing = (pd.Series(rng.normal(size=size)) for size in (12, 80))
        alarms += drift._compare_measure("brightness", new, existing).is_shifted
    assert alarms <= 3


def test_add_prints_the_drift(existing: Path, run: Run) -> None:
    write_half(existing / "new", EVEN)
    for path in (existing / "new").rglob("*.jpg"):
        with Image.open(path) as image:
            dark = darkened(image.convert("RGB"))
        dark.save(path, "PNG")
    output = run(*CLI, "add", "new", "--name", "new", "--dry-run").stdout
    assert "drift: brightness" in output
    assert "check some photos before you continue" in output
    assert "no drift in" in output
