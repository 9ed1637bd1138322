"""Drawn students beside the class: learnt from, never judged, and in no class."""

from __future__ import annotations

import numpy as np
import pytest

from shoepair.runtime.parallel import local
from shoepair.synthetic import sample_class
from shoepair.synthetic import training_students as drawing

EDGE = 32


def test_same_students_however_many_and_whatever_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = list(drawing.draw(2, 1, EDGE)), list(drawing.draw(5, 1, EDGE))
    monkeypatch.setattr(local, "count_cores", lambda: 1)
    alone = list(drawing.draw(5, 1, EDGE))
    np.testing.assert_array_equal(few, many[:2])
    np.testing.assert_array_equal(alone, many)
    assert not np.array_equal(few, list(drawing.draw(2, 2, EDGE)))
    assert len(np.unique(np.stack(many).reshape(30, -1), axis=0)) == 30


def test_no_sample_class_has_them_whatever_its_seed() -> None:
    for seed in (1, 2):
        own = sample_class.dressed(sample_class.stream(seed, drawing.STREAM, 0, 0), "train", "u1")
        for group in sample_class.SETS:
            assert sample_class.draw_student(seed, group, 0).looks != own.looks


def test_numbers_ascend_as_text_too() -> None:
    assert drawing.names(100) == sorted(drawing.names(100))
    assert len(set(drawing.names(100))) == 100
