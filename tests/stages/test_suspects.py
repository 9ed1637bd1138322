"""Students with mislabelled photos are ranked first; no student is excluded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.commands import CLI, Run

from shoepair.data import parquet_files, schemas
from shoepair.evaluation import label_issues
from shoepair.ingestion import file_manifest, parallel_decoding
from shoepair.runtime import paths, storage
from shoepair.synthetic import synthetic_class
from stages import ingest, normalize, split, suspects, validate

STUDENTS, EDGE, TOP = 60, 64, 10
Class = NDArray[np.uint8]


@pytest.fixture(scope="module")
def class_photos(tmp_path_factory: pytest.TempPathFactory) -> Class:
    """Return (60, 3, 2, 64, 64, 3): sixty synthetic students."""
    folder = tmp_path_factory.mktemp("class")
    synthetic_class.write_synthetic_class(folder, STUDENTS - 2, 1, 3)
    rows = file_manifest.build_manifest(folder).sort_values(["student", "pair", "side"])
    decoded = parallel_decoding.iter_decoded_photos_or_errors(storage.list_photo_files(folder, rows), EDGE)
    return np.stack(list(parallel_decoding.iter_student_photo_stacks(decoded, EDGE)))


def ranked(images: Class) -> pd.DataFrame:
    students = pd.DataFrame({"batch": "b", "student": [f"u{number:03}" for number in range(len(images))]})
    return schemas.LabelIssues.validate(
        label_issues.rank_suspect_rows(students, map(label_issues.measure_student, images))
    )


@pytest.mark.usefixtures("project")
def test_few_students_are_not_ranked(run: Run) -> None:
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    split.main()
    suspects.main()
    assert parquet_files.read_table(paths.LABEL_ISSUES, schemas.LabelIssues).empty
    assert Path("reports/suspects.png").stat().st_size > 100
    assert "too few students" in run(*CLI, "suspects").stdout


@pytest.mark.usefixtures("project")
def test_command_lists_the_first_ones(run: Run, class_photos: Class) -> None:
    assert "error: data/suspects.parquet: missing" in run(*CLI, "suspects", status=1).stderr
    parquet_files.write_table(paths.LABEL_ISSUES, ranked(class_photos[:12]), schemas.LabelIssues)
    lines = run(*CLI, "suspects", "--top", "4").stdout.splitlines()
    assert len(lines) == 5
    assert " ".join(lines[0].split()) == "batch student reason rank issue mispaired swapped not a shoe"
    rows = json.loads(run(*CLI, "suspects", "--json").stdout)
    assert [row["rank"] for row in rows] == list(range(1, 11))


def mislabelled(seed: int) -> list[int]:
    return list(np.random.default_rng(seed).choice(STUDENTS, 5, replace=False))


def count_in_top(images: Class, wrong: list[int], issue: str) -> int:
    top = ranked(images).head(TOP)
    rows = top[top["student"].isin([f"u{number:03}" for number in wrong])]
    assert rows[issue].iloc[0] == rows[["mispaired", "swapped", "not_a_shoe"]].iloc[0].max(), "another reason"
    return len(rows)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_swapped_right_shoes_are_found(class_photos: Class, seed: int) -> None:
    images = class_photos.copy()
    for number in mislabelled(seed):
        images[number, [0, 1], 1] = images[number, [1, 0], 1]
    assert count_in_top(images, mislabelled(seed), "mispaired") >= 4


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shoes_of_other_students_are_found(class_photos: Class, seed: int) -> None:
    images, wrong = class_photos.copy(), mislabelled(seed)
    images[wrong, 2, 1] = images[np.roll(wrong, 1), 2, 1]
    assert count_in_top(images, wrong, "mispaired") >= 4


@pytest.mark.parametrize("seed", [1, 2])
def test_left_and_right_swapped_in_all_pairs_are_found(class_photos: Class, seed: int) -> None:
    images = class_photos.copy()
    for number in mislabelled(seed):
        images[number] = images[number][:, ::-1]
    assert count_in_top(images, mislabelled(seed), "swapped") >= 3
    first = ranked(images).sort_values("swapped", ascending=False).head(TOP)["student"]
    assert len(set(first) & {f"u{number:03}" for number in mislabelled(seed)}) >= 4


def test_photos_of_something_else_are_found(class_photos: Class) -> None:
    images, rng = class_photos.copy(), np.random.default_rng(1)
    for number in mislabelled(4):
        tiles = rng.integers(0, 256, (8, 8, 3), np.uint8)
        images[number, 1, 0] = tiles.repeat(EDGE // 8, axis=0).repeat(EDGE // 8, axis=1)
    assert count_in_top(images, mislabelled(4), "not_a_shoe") == 5


def test_ranking_is_complete_ordered_and_the_same_each_time(class_photos: Class) -> None:
    images = class_photos[:30].copy()
    images[7, [0, 1], 1] = images[7, [1, 0], 1]
    ranking = ranked(images)
    assert sorted(ranking["student"]) == [f"u{number:03}" for number in range(30)]
    assert list(ranking["rank"]) == list(range(1, 31))
    assert ranking["issue_probability"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(ranking, ranked(images))
    reason = ranking.set_index("student")["reason"]["u007"]
    assert reason == "would match better: left 1 with right 2, left 2 with right 1"


def test_contact_sheet_shows_the_first_ones(class_photos: Class) -> None:
    top = ranked(class_photos[:12]).head(3)
    sheet = label_issues.draw_contact_sheet_image(top, class_photos[[int(student[1:]) for student in top["student"]]])
    edge, caption = label_issues.THUMBNAIL_EDGE, label_issues.CAPTION_HEIGHT
    assert sheet.size == (6 * edge, 3 * (edge + caption))
    first = int(top["student"].iloc[0][1:])
    thumbnail = Image.fromarray(class_photos[first, 0, 0]).resize((edge, edge), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(np.asarray(sheet)[caption : caption + edge, :edge], np.asarray(thumbnail))
