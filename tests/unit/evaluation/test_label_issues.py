"""Image features of a student's photos and the ranking by them; stages/test_suspects.py has synthetic classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from shoepair.data import schemas
from shoepair.evaluation import label_issues

EDGE = 40
RNG = np.random.default_rng(4)


def photos(students: int) -> NDArray[np.uint8]:
    """Return (N, 3, 2, S, S, 3): each pair has a colour, with noise."""
    colours = RNG.integers(0, 190, (students, 3, 1, 1, 1, 3))
    return (colours + RNG.integers(0, 60, (students, 3, 2, EDGE, EDGE, 3))).astype(np.uint8)


def ranked(images: NDArray[np.uint8]) -> pd.DataFrame:
    """Return the ranking of students u000, u001, ..."""
    students = pd.DataFrame({"batch": "b", "student": [f"u{number:03}" for number in range(len(images))]})
    return schemas.LabelIssues.validate(
        label_issues.rank_suspect_rows(students, map(label_issues.measure_student, images))
    )


def test_features_have_the_documented_shapes_and_histograms_of_sum_1() -> None:
    features = label_issues.extract_student_features_by_name(photos(1)[0])
    assert {name: value.shape for name, value in features.items()} == {
        "channels": (3, 2, 3, 16),
        "colours": (3, 2, 6, 64),
        "coarse": (3, 2, 16, 16, 3),
        "grey": (3, 2, 16, 16),
        "fine": (3, 2, 32, 32),
        "edges": (3, 2, 31, 31),
    }
    for name in ("channels", "colours"):
        np.testing.assert_allclose((features[name] ** 2).sum(axis=-1), 1)
    for name in ("grey", "fine", "edges"):
        np.testing.assert_allclose(features[name].mean(axis=(-2, -1)), 0, atol=1e-12)


def test_features_of_a_photo_depend_on_no_other_photo() -> None:
    images = photos(1)[0]
    before = label_issues.extract_student_features_by_name(images)
    images[2, 1] = 255 - images[2, 1]
    after = label_issues.extract_student_features_by_name(images)
    for name in before:
        same = np.ones((3, 2), bool)
        same[2, 1] = False
        assert np.array_equal(before[name][same], after[name][same])
        assert not np.array_equal(before[name][2, 1], after[name][2, 1])


@pytest.mark.parametrize("students", [0, 1, label_issues.MIN_STUDENTS - 1])
def test_too_few_students_are_not_ranked(students: int) -> None:
    assert len(ranked(photos(students))) == 0


def test_student_with_mispaired_shoes_is_ranked_first() -> None:
    images = photos(20)
    images[7, :, 1] = images[7, [1, 2, 0], 1]
    first = ranked(images).iloc[0]
    assert first["student"] == "u007"
    assert first["mispaired"] > 0.5
    assert first["rank"] == 1
    assert first["reason"] == "would match better: left 1 with right 3, left 2 with right 1, left 3 with right 2"


def test_large_class_is_ranked_by_models_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    images = photos(20)
    images[7, :, 1] = images[7, [1, 2, 0], 1]
    monkeypatch.setattr(label_issues, "MAX_FITTED_STUDENTS", 20)
    whole = ranked(images)
    monkeypatch.setattr(label_issues, "MAX_FITTED_STUDENTS", 14)
    part = ranked(images)
    assert sorted(part["student"]) == sorted(whole["student"]), "all are ranked"
    assert part["student"][0] == "u007"
    assert not part.equals(whole)
