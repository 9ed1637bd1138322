"""Whoever mislabelled photos stands at the top of the list; nobody leaves the class for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.commands import CLI, Run

from shoepair.data import schemas, tables
from shoepair.evaluation import label_issues
from shoepair.ingestion import decode_all, scan
from shoepair.runtime import paths, storage
from shoepair.synthetic import sample_class
from stages import ingest, normalize, split, validate
from stages import suspects as stage

STUDENTS, EDGE, TOP = 60, 64, 10
Class = NDArray[np.uint8]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Class:
    """(60, 3, 2, 64, 64, 3): sixty drawn students."""
    folder = tmp_path_factory.mktemp("drawn")
    sample_class.draw_class(folder, STUDENTS - 2, 1, 3)
    rows = scan.scan(folder).sort_values(["student", "pair", "side"])
    decoded = decode_all.read_all(storage.listed(folder, rows), EDGE)
    return np.stack(list(decode_all.students(decoded, EDGE)))


def ranked(images: Class) -> pd.DataFrame:
    students = pd.DataFrame({"batch": "b", "student": [f"u{number:03}" for number in range(len(images))]})
    return schemas.Suspects.validate(label_issues.rank(students, images))


@pytest.mark.usefixtures("project")
def test_few_students_are_not_ranked(run: Run) -> None:
    for each in (ingest, validate, normalize):
        each.main("tiny")
    split.main()
    stage.main()
    assert tables.read(paths.SUSPECTS, schemas.Suspects).empty
    assert Path("reports/suspects.png").stat().st_size > 100
    assert "too few students" in run(*CLI, "suspects").stdout


@pytest.mark.usefixtures("project")
def test_command_lists_the_first_ones(run: Run, drawn: Class) -> None:
    assert "error: data/suspects.parquet: missing" in run(*CLI, "suspects", status=1).stderr
    tables.write(paths.SUSPECTS, ranked(drawn[:12]), schemas.Suspects)
    lines = run(*CLI, "suspects", "--top", "4").stdout.splitlines()
    assert len(lines) == 5
    assert lines[0].split() == [
        "batch",
        "student",
        "why",
        "rank",
        "suspicion",
        "mispaired",
        "swapped",
        "not",
        "a",
        "shoe",
    ]
    rows = json.loads(run(*CLI, "suspects", "--json").stdout)
    assert [row["rank"] for row in rows] == list(range(1, 11))


def guilty(seed: int) -> list[int]:
    return list(np.random.default_rng(seed).choice(STUDENTS, 5, replace=False))


def caught(images: Class, wrong: list[int], sign: str) -> int:
    top = ranked(images).head(TOP)
    found = top[top["student"].isin([f"u{number:03}" for number in wrong])]
    assert found[sign].iloc[0] == found[["mispaired", "swapped", "not_a_shoe"]].iloc[0].max(), "for another reason"
    return len(found)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_exchanged_right_shoes_are_found(drawn: Class, seed: int) -> None:
    images = drawn.copy()
    for number in guilty(seed):
        images[number, [0, 1], 1] = images[number, [1, 0], 1]
    assert caught(images, guilty(seed), "mispaired") >= 4


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shoes_of_other_students_are_found(drawn: Class, seed: int) -> None:
    images, wrong = drawn.copy(), guilty(seed)
    images[wrong, 2, 1] = images[np.roll(wrong, 1), 2, 1]
    assert caught(images, wrong, "mispaired") >= 4


@pytest.mark.parametrize("seed", [1, 2])
def test_left_and_right_exchanged_in_all_pairs_are_found(drawn: Class, seed: int) -> None:
    images = drawn.copy()
    for number in guilty(seed):
        images[number] = images[number][:, ::-1]
    assert caught(images, guilty(seed), "swapped") >= 3
    first = ranked(images).sort_values("swapped", ascending=False).head(TOP)["student"]
    assert len(set(first) & {f"u{number:03}" for number in guilty(seed)}) >= 4


def test_photos_of_something_else_are_found(drawn: Class) -> None:
    images, rng = drawn.copy(), np.random.default_rng(1)
    for number in guilty(4):
        tiles = rng.integers(0, 256, (8, 8, 3), np.uint8)
        images[number, 1, 0] = tiles.repeat(EDGE // 8, axis=0).repeat(EDGE // 8, axis=1)
    assert caught(images, guilty(4), "not_a_shoe") == 5


def test_ranking_is_whole_ordered_and_the_same_each_time(drawn: Class) -> None:
    images = drawn[:30].copy()
    images[7, [0, 1], 1] = images[7, [1, 0], 1]
    got = ranked(images)
    assert sorted(got["student"]) == [f"u{number:03}" for number in range(30)]
    assert list(got["rank"]) == list(range(1, 31))
    assert got["suspicion"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(got, ranked(images))
    why = got.set_index("student")["why"]["u007"]
    assert why == "would match better: left 1 with right 2, left 2 with right 1"


def test_picture_shows_the_first_ones(drawn: Class) -> None:
    top = ranked(drawn[:12]).head(3)
    sheet = label_issues.picture(top, drawn[[int(student[1:]) for student in top["student"]]])
    assert sheet.size == (6 * label_issues.THUMBNAIL, 3 * (label_issues.THUMBNAIL + label_issues.CAPTION))
    first = int(top["student"].iloc[0][1:])
    shown = np.asarray(sheet)[
        label_issues.CAPTION : label_issues.CAPTION + label_issues.THUMBNAIL, : label_issues.THUMBNAIL
    ]
    small = Image.fromarray(drawn[first, 0, 0]).resize(shown.shape[:2], Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(shown, np.asarray(small))
