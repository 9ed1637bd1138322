"""How students are put into folds, and how a cross-validation names its parts; runs are in stages/test_crossval.py."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig
from shoepair.training.crossval import FEWEST, Plan, Task, deal

STUDENTS = [f"b/u{number:03}" for number in range(40)]


@settings(max_examples=30, deadline=None)
@given(students=st.integers(4, 40), folds=st.integers(2, 10), repeat=st.integers(0, 3))
def test_every_student_is_in_one_fold_and_folds_are_of_equal_size(students: int, folds: int, repeat: int) -> None:
    if students < FEWEST * folds:
        with pytest.raises(ShoepairError, match=f"^crossval: {students} students .*, expected {FEWEST * folds} for"):
            deal(STUDENTS[:students], folds, repeat)
        return
    found = deal(STUDENTS[:students], folds, repeat)
    assert sorted(found) == STUDENTS[:students]
    sizes = Counter(found.values())
    assert set(sizes) == set(range(folds))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_folds_follow_from_students_and_repeat_alone() -> None:
    first = deal(STUDENTS, 5, 0)
    assert deal(STUDENTS[::-1], 5, 0) == first
    assert deal(STUDENTS, 5, 1) != first


def test_task_is_named_with_what_was_tried() -> None:
    plan = Plan("cnn", 5, 2, TrainConfig(), (("lr", "5.0e-4"), ("epochs", "3")))
    assert str(plan) == "cnn lr=5.0e-4 epochs=3"
    assert str(Task(plan, 1, 4)) == "crossval cnn lr=5.0e-4 epochs=3: repeat 2, fold 5"
