"""The tiny project with synthetic students, and pairs of them."""

from __future__ import annotations

import pandas as pd
import pytest

from shoepair.data import pairs
from shoepair.data.store import Store
from shoepair.runtime import paths
from shoepair.runtime.parallel import local
from stages import synthetic
from support.field import edit


def draw_students(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the store of five synthetic students, without other processes."""
    monkeypatch.setattr(local, "count_cores", lambda: 1)
    edit(paths.PARAMS, "  students: 2 ", "  students: 5 ")
    synthetic.main()


def rows(students: int) -> pd.DataFrame:
    """Return `Pairs` rows of a class `tiny` that has the photos of the synthetic students."""
    paths.STORE_FOLDER.mkdir(parents=True, exist_ok=True)  # theirs is another folder
    paths.store_path("tiny").write_bytes(paths.store_path(paths.SYNTHETIC_BATCH).read_bytes())
    with Store(paths.store_path("tiny")) as store:
        columns = {"batch": "tiny", "student": store.student_ids[:students], "row": range(students)}
    return pairs.build_pair_rows(pd.DataFrame({**columns, "split": "train"}))
