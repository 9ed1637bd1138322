"""Reading of revisions, and paired differences of balanced accuracy, as in `shoepair diff`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.classes import answers

from shoepair.commands.history import versions
from shoepair.evaluation import comparison
from shoepair.runtime import paths


def make_reader(folder: Path) -> versions._Reader:
    """Return a reader of the files in a folder."""
    files = SimpleNamespace(
        cat_file=lambda path: (folder / path).read_bytes(), exists=lambda path: (folder / path).exists()
    )
    repo: Any = SimpleNamespace(dvcfs=files)
    return versions._Reader(repo)


def test_accepted_photos_that_were_never_made_are_noted(tmp_path: Path) -> None:
    (tmp_path / "data/accepted").mkdir(parents=True)
    rows = pd.DataFrame({"path": ["a"], "student": ["u001"], "sha256": ["0f"]})
    rows.to_parquet(tmp_path / "data/accepted/a.parquet")
    reader = make_reader(tmp_path)
    accepted = versions._read_accepted(reader, "a")
    assert accepted is not None
    assert list(accepted["student"]) == ["u001"]
    assert reader.unavailable == {}
    assert versions._read_accepted(reader, "b") is None
    assert reader.unavailable == {paths.accepted_path("b"): "never made"}


def test_difference_is_exact_and_paired() -> None:
    rng = np.random.default_rng(1)
    right = rng.random((40, 6)) < 0.8
    better = right.copy()
    better[:20, 0] = True
    difference = comparison.shared_count_and_accuracy_interval(answers(right), answers(better), 500, 1)
    assert difference is not None
    students, gain, low, high = difference
    assert students == 40
    assert gain == pytest.approx((better.mean() - right.mean()), abs=1e-12)
    assert low <= gain <= high
    unpaired = comparison.shared_count_and_accuracy_interval(
        answers(right), answers(rng.random((40, 6)) < 0.8), 500, 1
    )
    assert unpaired is not None
    assert high - low < unpaired[3] - unpaired[2], "pairing does not narrow the interval"
    assert comparison.shared_count_and_accuracy_interval(answers(right), answers(right), 500, 1) == (
        40,
        0.0,
        0.0,
        0.0,
    )


def test_difference_counts_shared_students_only() -> None:
    rng = np.random.default_rng(2)
    right = rng.random((30, 6)) < 0.7
    difference = comparison.shared_count_and_accuracy_interval(
        answers(right[:20]), answers(right[10:], first=10), 200, 1
    )
    assert difference is not None
    assert difference[:2] == (10, 0.0)
    assert (
        comparison.shared_count_and_accuracy_interval(answers(right[:10]), answers(right[10:], first=10), 200, 1)
        is None
    )
