"""Dataset versions: what `shoepair diff` and `shoepair log` say of real revisions, and that they touch nothing."""

from __future__ import annotations

import numpy as np
import pytest
from support.classes import answers

from shoepair.evaluation import comparison


def test_difference_is_exact_and_paired() -> None:
    rng = np.random.default_rng(1)
    right = rng.random((40, 6)) < 0.8
    better = right.copy()
    better[:20, 0] = True
    got = comparison.difference(answers(right), answers(better), 500, 1)
    assert got is not None
    students, gain, low, high = got
    assert students == 40
    assert gain == pytest.approx((better.mean() - right.mean()), abs=1e-12)
    assert low <= gain <= high
    unpaired = comparison.difference(answers(right), answers(rng.random((40, 6)) < 0.8), 500, 1)
    assert unpaired is not None
    assert high - low < unpaired[3] - unpaired[2], "pairing does not narrow the interval"
    assert comparison.difference(answers(right), answers(right), 500, 1) == (40, 0.0, 0.0, 0.0)


def test_difference_counts_shared_students_only() -> None:
    rng = np.random.default_rng(2)
    right = rng.random((30, 6)) < 0.7
    got = comparison.difference(answers(right[:20]), answers(right[10:], first=10), 200, 1)
    assert got is not None
    assert got[:2] == (10, 0.0)
    assert comparison.difference(answers(right[:10]), answers(right[10:], first=10), 200, 1) is None
