"""Rows are found by the values of columns; what is no such table is one clear error."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from shoepair.data import parquet_files, schemas
from shoepair.data.arrow_columns import read_matching_rows
from shoepair.runtime.errors import ShoepairError

ROWS = pd.DataFrame({"batch": ["a", "a", "b"], "student": ["u1", "u2", "u3"], "row": [0, 1, 0], "split": "train"})


def test_columns_of_the_rows_with_all_these_values(tmp_path: Path) -> None:
    path = tmp_path / "split.parquet"
    assert read_matching_rows(path, ["row"], {"batch": "a"}) == [], "no file, no rows"
    parquet_files.write_table(path, ROWS, schemas.StudentSplits)
    assert read_matching_rows(path, ["student", "row"], {"batch": "a", "row": 1}) == [{"student": "u2", "row": 1}]
    assert read_matching_rows(path, ["student"], {"batch": "c"}) == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table" * 20])
def test_other_file_or_column_is_an_error_with_the_fix(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "split.parquet"
    path.write_bytes(content)
    with pytest.raises(
        ShoepairError, match=r"split\.parquet: not a table that can be read .*\ndelete it and run `dvc"
    ):
        read_matching_rows(path, ["row"], {"batch": "a"})
    parquet_files.write_table(path, ROWS, schemas.StudentSplits)
    with pytest.raises(ShoepairError, match=r"not a table that can be read"):
        read_matching_rows(path, ["height"], {"batch": "a"})
