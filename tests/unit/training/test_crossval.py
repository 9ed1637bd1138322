"""Assignment of students to folds, and the names of runs and tasks; runs are in stages/test_crossval.py."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig
from shoepair.training.crossval import MIN_STUDENTS_PER_FOLD, CVRun, FoldTask, assign_fold_by_student

STUDENTS = [f"b/u{number:03}" for number in range(40)]


@settings(max_examples=30, deadline=None)
@given(students=st.integers(4, 40), folds=st.integers(2, 10), repeat=st.integers(0, 3))
def test_every_student_is_in_one_fold_and_folds_are_of_equal_size(students: int, folds: int, repeat: int) -> None:
    if students < MIN_STUDENTS_PER_FOLD * folds:
        with pytest.raises(
            ShoepairError, match=f"^crossval: {students} students .*, expected {MIN_STUDENTS_PER_FOLD * folds} for"
        ):
            assign_fold_by_student(STUDENTS[:students], folds, repeat)
        return
    fold_of = assign_fold_by_student(STUDENTS[:students], folds, repeat)
    assert sorted(fold_of) == STUDENTS[:students]
    sizes = Counter(fold_of.values())
    assert set(sizes) == set(range(folds))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_folds_follow_from_students_and_repeat_alone() -> None:
    first = assign_fold_by_student(STUDENTS, 5, 0)
    assert assign_fold_by_student(STUDENTS[::-1], 5, 0) == first
    assert assign_fold_by_student(STUDENTS, 5, 1) != first


def test_task_is_named_with_its_overrides() -> None:
    cv_run = CVRun("cnn", 5, 2, TrainConfig(), (("lr", "5.0e-4"), ("epochs", "3")))
    assert str(cv_run) == "cnn lr=5.0e-4 epochs=3"
    assert str(FoldTask(cv_run, 1, 4)) == "crossval cnn lr=5.0e-4 epochs=3: repeat 2, fold 5"
