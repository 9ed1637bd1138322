"""Sure answers: the lowest safe threshold over students, its exact limit, and how often it holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from shoepair.evaluation import sure_answers

STUDENTS = np.array([f"u{number:03}" for number in range(200)], dtype=object)


@pytest.mark.parametrize(("wrong", "least"), [(0, 59), (1, 93), (2, 124)])
def test_least_number_of_students_is_that_of_the_exact_limit(wrong: int, least: int) -> None:
    assert sure_answers.upper_limit(wrong, least) <= 0.05 < sure_answers.upper_limit(wrong, least - 1)


@pytest.mark.parametrize(("count", "wrong"), [(0, 0), (1, 0), (7, 0), (33, 2), (40, 40)])
def test_interval_is_that_of_clopper_and_pearson(count: int, wrong: int) -> None:
    answers = np.repeat(STUDENTS[:count], 2)
    counted = sure_answers.count_student_errors(answers, np.tile([True, False], count) & (answers < STUDENTS[wrong]))
    assert (counted.students, counted.wrong) == (count, wrong)
    if count:
        expected = binomtest(wrong, count).proportion_ci(0.95)
        assert (counted.low, counted.high) == pytest.approx((expected.low, expected.high), abs=1e-4)
    else:
        assert (counted.low, counted.high) == (0, 1)


def test_threshold_lies_above_the_wrong_answers_and_below_as_many_right_ones_as_it_can() -> None:
    probabilities = np.linspace(0.99, 0.6, 120)
    is_right = np.arange(120) < 100
    is_right[[70, 80, 90]] = False
    threshold = sure_answers.lowest_sure_threshold(STUDENTS[:120], is_right, probabilities)
    assert threshold is not None
    assert probabilities[70] <= threshold < probabilities[69]


def test_student_counts_once_and_as_wrong_if_any_answer_is() -> None:
    students = np.repeat(STUDENTS[:59], 2)
    probabilities = np.tile([0.9, 0.8], 59)
    right = np.ones(118, dtype=bool)
    assert sure_answers.lowest_sure_threshold(students, right, probabilities) == 0.5
    right[1] = False  # the lower one of the first student
    assert sure_answers.lowest_sure_threshold(students, right, probabilities) == 0.8
    right[0] = False
    assert sure_answers.lowest_sure_threshold(students, right, probabilities) is None
    assert sure_answers.lowest_sure_threshold(students[:116], np.ones(116, dtype=bool), probabilities[:116]) is None


def test_confidence_holds_although_many_thresholds_are_tried() -> None:
    rng = np.random.default_rng(3)
    failed = 0
    for _ in range(400):
        probabilities = rng.uniform(0.5, 1, 150)
        # The share of wrong answers among those above a threshold is 5 % at 0.80 and rises below it.
        is_right = rng.uniform(size=150) > np.clip((1 - probabilities) * 0.5, 0, 1)
        threshold = sure_answers.lowest_sure_threshold(STUDENTS[:150], is_right, probabilities)
        failed += threshold is not None and threshold < 0.8 - 1e-9
    assert failed / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
