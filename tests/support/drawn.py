"""The tiny project with drawn students, and pairs of them."""

from __future__ import annotations

import pandas as pd
import pytest

from shoepair.data import pairs
from shoepair.runtime import paths
from shoepair.runtime.parallel import local
from stages import synthetic
from support.field import edit


def draw_students(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the store of five drawn students, in this process alone."""
    monkeypatch.setattr(local, "count_cores", lambda: 1)
    edit(paths.PARAMS, "  students: 2 ", "  students: 5 ")
    synthetic.main()


def rows(students: int) -> pd.DataFrame:
    """`Pairs` rows of a class whose photos are those of the drawn students, under a name of its own."""
    paths.STORES.mkdir(parents=True, exist_ok=True)  # the drawn ones have a folder of their own
    paths.store("tiny").write_bytes(paths.store(paths.SYNTHETIC).read_bytes())
    about = {"batch": "tiny", "student": [f"u{n}" for n in range(1, students + 1)], "row": range(students)}
    return pairs.build(pd.DataFrame({**about, "split": "train"}))
