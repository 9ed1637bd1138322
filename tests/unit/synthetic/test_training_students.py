"""Synthetic training students: the same for a seed, and in no synthetic class."""

from __future__ import annotations

import numpy as np
import pytest

from shoepair.runtime.parallel import local
from shoepair.synthetic import synthetic_class, training_students

EDGE = 32


def test_students_depend_on_the_seed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (
        list(training_students.iter_decoded_student_photos(2, 1, EDGE)),
        list(training_students.iter_decoded_student_photos(5, 1, EDGE)),
    )
    monkeypatch.setattr(local, "count_cores", lambda: 1)
    on_one_core = list(training_students.iter_decoded_student_photos(5, 1, EDGE))
    np.testing.assert_array_equal(few, many[:2])
    np.testing.assert_array_equal(on_one_core, many)
    assert not np.array_equal(few, list(training_students.iter_decoded_student_photos(2, 2, EDGE)))
    assert len(np.unique(np.stack(many).reshape(30, -1), axis=0)) == 30


def test_no_synthetic_class_has_them_whatever_its_seed() -> None:
    for seed in (1, 2):
        rng = synthetic_class.make_rng(seed, training_students.SUBSET_NUMBER, 0, 0)
        student = synthetic_class.sample_student_traits(rng, "train", "u1")
        for subset in synthetic_class.SUBSETS:
            assert synthetic_class.sample_numbered_student(seed, subset, 0).looks != student.looks


def test_ids_ascend_as_text_too() -> None:
    ids = training_students.make_student_ids(100)
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
