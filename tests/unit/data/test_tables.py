"""Tables: they come back as they were, carry their name and format, and refuse what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pandera.errors import SchemaError

from shoepair.data import naming, schemas, tables
from shoepair.runtime.errors import ShoepairError

ROW = st.tuples(
    st.sampled_from(naming.SPLITS),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.from_regex(r"u[0-9]{1,5}", fullmatch=True),
    st.integers(0, 2**40),
    st.sampled_from(naming.PAIRS),
    st.sampled_from(naming.PAIRS),
    st.integers(0, 1),
    st.booleans(),
    st.just("cnn"),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
NAMES = list(schemas.Scores.to_schema().columns)


def scores(*rows: tuple[object, ...]) -> pd.DataFrame:
    """`Scores` rows, as a table has them."""
    return schemas.Scores.validate(pd.DataFrame(list(rows), columns=NAMES))


ONE = ("train", "a", "u1", 0, 1, 2, 0, True, "cnn", 0.1)


@given(st.lists(ROW, min_size=1, max_size=3))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_written_table_reads_back_as_it_was(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    frame = scores(*rows)
    tables.write(tmp_path / "a.parquet", frame, schemas.Scores)
    assert_frame_equal(tables.read(tmp_path / "a.parquet", schemas.Scores), frame)


def test_index_of_the_rows_leaves_no_trace(tmp_path: Path) -> None:
    frame = scores(ONE, ("valid", "a", "u2", 1, 1, 1, 1, True, "cnn", -0.2), ONE)
    tables.write(tmp_path / "plain", frame, schemas.Scores)
    tables.write(tmp_path / "indexed", frame.set_index(pd.Index([7, 7, 3], name="left")), schemas.Scores)
    assert (tmp_path / "indexed").read_bytes() == (tmp_path / "plain").read_bytes()
    assert parquet.read_schema(tmp_path / "plain").names == NAMES


def test_table_without_rows_keeps_the_types_of_its_columns(tmp_path: Path) -> None:
    frame = scores(ONE)
    tables.write(tmp_path / "a", frame[:0], schemas.Scores)
    found = tables.read(tmp_path / "a", schemas.Scores)
    assert len(found) == 0
    assert list(found.dtypes) == list(frame.dtypes)
    assert found["logit"].dtype == np.float32


def test_rows_that_break_the_schema_leave_the_old_table(tmp_path: Path) -> None:
    frame = scores(ONE)
    tables.write(tmp_path / "a", frame, schemas.Scores)
    with pytest.raises(SchemaError, match="same"):
        tables.write(tmp_path / "a", frame.assign(same=2), schemas.Scores)
    assert_frame_equal(tables.read(tmp_path / "a", schemas.Scores), frame)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_file_says_which_table_of_which_format_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    tables.write(path, scores(ONE), schemas.Scores)
    marks = parquet.read_schema(path).metadata
    assert (marks[b"shoepair.table"], marks[b"shoepair.format"]) == (b"scores", b"1")
    monkeypatch.setattr(tables, "FORMAT", 2)
    text = r"a\.parquet: table scores of format 1, expected scores of format 2\ndelete it and run `dvc repro`"
    with pytest.raises(ShoepairError, match=text):
        tables.read(path, schemas.Scores)


def test_table_of_another_program_is_refused(tmp_path: Path) -> None:
    scores(ONE).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        ShoepairError, match=r"table nothing of format nothing, expected scores of format 1\ndelete it"
    ):
        tables.read(tmp_path / "a.parquet", schemas.Scores)
