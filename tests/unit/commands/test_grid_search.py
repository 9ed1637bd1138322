"""Cross-validation: folds of students, and grids of parameters."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoepair.commands import grid_search
from shoepair.runtime.errors import ShoepairError
from shoepair.training import crossval


@given(st.integers(4, 60), st.integers(2, 5), st.integers(0, 3))
def test_folds_are_of_equal_size_and_differ_between_repeats(students: int, folds: int, repeat: int) -> None:
    names = [f"a/u{number}" for number in range(students)]
    if students < 2 * folds:
        with pytest.raises(ShoepairError, match=f"{students} students in train and valid, expected {2 * folds}"):
            crossval.assign_fold_by_student(names, folds, repeat)
        return
    fold_of = crossval.assign_fold_by_student(names, folds, repeat)
    sizes = Counter(fold_of.values())
    assert len(fold_of) == students
    assert max(sizes.values()) - min(sizes.values()) <= 1
    assert crossval.assign_fold_by_student(names[::-1], folds, repeat) == fold_of
    assert students < 12 or crossval.assign_fold_by_student(names, folds, repeat + 1) != fold_of


def test_commas_within_a_list_or_quotes_are_no_grid() -> None:
    assert grid_search.expand_grid([]) == [{}]
    assert grid_search.expand_grid(["models=[cnn, siamese]", 'split.salt="a,b"', "lr=1,1"]) == [
        {"models": "[cnn, siamese]", "split.salt": '"a,b"', "lr": "1"}
    ]
    assert grid_search.expand_grid(["lr=1", "lr=2, 1"]) == [{"lr": "1"}, {"lr": "2"}]


def test_numbers_of_students_are_parsed_once_each_and_anything_else_is_named() -> None:
    assert grid_search.parse_student_counts("") == [0], "all"
    assert grid_search.parse_student_counts("5, 2,5") == [5, 2]
    for text, wrong in (("2,1", "1"), ("2,", ""), ("many", "many"), ("-3", "-3"), ("2.5", "2.5"), ("²", "²")):
        with pytest.raises(
            ShoepairError, match=re.escape(f"--students {text}: found {wrong!r}, expected whole numbers")
        ):
            grid_search.parse_student_counts(text)
