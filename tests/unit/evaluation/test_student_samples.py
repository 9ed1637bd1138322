"""A sample of students depends on each student alone, not on the order of arrival."""

from __future__ import annotations

import pandas as pd

from shoepair.evaluation import student_samples

ROWS = pd.DataFrame({"batch": ["a"] * 30 + ["b"] * 30, "student": [f"u{number // 2}" for number in range(60)]})


def test_all_rows_of_the_sampled_students_are_selected_whatever_their_order() -> None:
    selected = ROWS[student_samples.select_students(ROWS, 7)]
    assert len(selected) == 14
    assert selected.drop_duplicates().shape[0] == 7
    mixed = ROWS.sample(frac=1, random_state=1)
    assert mixed[student_samples.select_students(mixed, 7)].sort_index().equals(selected)


def test_no_more_students_than_that_are_all_selected() -> None:
    assert student_samples.select_students(ROWS, 30).all()
    assert student_samples.select_students(ROWS[:0], 30).shape == (0,)
