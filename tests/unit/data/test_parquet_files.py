"""Parquet tables: round trip, name and format in the file, errors."""

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

from shoepair.data import naming, parquet_files, parquet_pages, schemas
from shoepair.runtime.batch_names import BATCH_NAME_PATTERN
from shoepair.runtime.errors import ShoepairError

ROW = st.tuples(
    st.sampled_from(naming.SPLITS),
    st.from_regex(BATCH_NAME_PATTERN, fullmatch=True),
    st.from_regex(r"u[0-9]{1,5}", fullmatch=True),
    st.integers(0, 2**40),
    st.sampled_from(naming.PAIR_NUMBERS),
    st.sampled_from(naming.PAIR_NUMBERS),
    st.integers(0, 1),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
NAMES = list(schemas.Scores.to_schema().columns)


def scores(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Return `Scores` rows."""
    return schemas.Scores.validate(pd.DataFrame(list(rows), columns=NAMES))


ONE = ("train", "a", "u1", 0, 1, 2, 0, True, "cnn", 0.1)


@given(st.lists(ROW, min_size=1, max_size=3))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_written_table_reads_back_as_it_was(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    frame = scores(*rows)
    parquet_files.write_table(tmp_path / "a.parquet", frame, schemas.Scores)
    assert_frame_equal(parquet_files.read_table(tmp_path / "a.parquet", schemas.Scores), frame)


def test_index_of_the_rows_leaves_no_trace(tmp_path: Path) -> None:
    frame = scores(ONE, ("valid", "a", "u2", 1, 1, 1, 1, True, "cnn", -0.2), ONE)
    parquet_files.write_table(tmp_path / "plain", frame, schemas.Scores)
    parquet_files.write_table(tmp_path / "indexed", frame.set_index(pd.Index([7, 7, 3], name="left")), schemas.Scores)
    assert (tmp_path / "indexed").read_bytes() == (tmp_path / "plain").read_bytes()
    assert parquet.read_schema(tmp_path / "plain").names == NAMES


def test_table_without_rows_keeps_the_types_of_its_columns(tmp_path: Path) -> None:
    frame = scores(ONE)
    parquet_files.write_table(tmp_path / "a", frame[:0], schemas.Scores)
    table = parquet_files.read_table(tmp_path / "a", schemas.Scores)
    assert len(table) == 0
    assert list(table.dtypes) == list(frame.dtypes)
    assert table["logit"].dtype == np.float32


def test_rows_that_break_the_schema_leave_the_old_table(tmp_path: Path) -> None:
    frame = scores(ONE)
    parquet_files.write_table(tmp_path / "a", frame, schemas.Scores)
    with pytest.raises(SchemaError, match="same"):
        parquet_files.write_table(tmp_path / "a", frame.assign(same=2), schemas.Scores)
    assert_frame_equal(parquet_files.read_table(tmp_path / "a", schemas.Scores), frame)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_file_says_which_table_of_which_format_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    parquet_files.write_table(path, scores(ONE), schemas.Scores)
    metadata = parquet.read_schema(path).metadata
    assert (metadata[b"shoepair.table"], metadata[b"shoepair.format"]) == (b"scores", b"2")
    monkeypatch.setattr(parquet_files, "FORMAT_VERSION", 3)
    message = r"a\.parquet: table scores of format 2, expected scores of format 3\ndelete it and run `dvc repro`"
    with pytest.raises(ShoepairError, match=message):
        parquet_files.read_table(path, schemas.Scores)


def test_table_of_another_program_is_refused(tmp_path: Path) -> None:
    scores(ONE).to_parquet(tmp_path / "a.parquet")
    message = r"table unknown of format unknown, expected scores of format 2\ndelete it"
    with pytest.raises(ShoepairError, match=message):
        parquet_files.read_table(tmp_path / "a.parquet", schemas.Scores)


def test_other_readers_get_the_same_rows(tmp_path: Path) -> None:
    """As `pandas.read_parquet`; polars and DuckDB read the same plain columns."""
    rows = scores(ONE, ("valid", "a", "u2", 1, 3, 3, 1, False, "siamese", -2.5))
    parquet_files.write_table(tmp_path / "a.parquet", rows, schemas.Scores)
    for read in (pd.read_parquet(tmp_path / "a.parquet"), parquet.read_table(tmp_path / "a.parquet").to_pandas()):
        assert_frame_equal(read, rows)


def test_table_that_nobody_could_read_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "split.parquet"
    rows = pd.DataFrame(
        {"batch": ["a"] * 40, "student": [f"u{n}" for n in range(40)], "row": range(40), "split": "train"}
    )
    for name in ("MAX_FILE_BYTES", "MAX_DECODED_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(parquet_files, name, 100)
            with pytest.raises(ShoepairError, match=r"at most; nothing was written\nhand in .* several batches"):
                parquet_files.write_table(path, rows, schemas.StudentSplits)
            assert not path.exists()
    parquet_files.write_table(path, rows, schemas.StudentSplits)
    assert parquet_files.read_table(path, schemas.StudentSplits)["student"].tolist() == rows["student"].tolist()


def test_table_in_pieces_is_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "PIECE_ROWS", 4)
    monkeypatch.setattr(parquet_files, "ROWS_AT_ONCE", 2)
    columns = ["batch", "student", "model"]
    for count in (0, 1, 4, 11):
        frame = scores(*(("train", "a", f"u{number}", number, 1, 2, 0, True, "cnn", 0.1) for number in range(count)))
        parquet_files.write_table(tmp_path / "a", frame, schemas.Scores)
        pieces = list(parquet_files.iter_table_pieces(tmp_path / "a", schemas.Scores, columns))
        assert [len(piece) for piece in pieces] == {0: [0], 1: [1], 4: [4], 11: [4, 4, 3]}[count]
        assert_frame_equal(pd.concat(pieces, ignore_index=True), frame[columns])


@pytest.mark.parametrize("damage", ["not Parquet", "cut", "another table", "value", "long dictionary"])
def test_table_in_pieces_is_refused_as_a_whole_one_is(damage: str, tmp_path: Path) -> None:
    path, name = tmp_path / "a", "cnn"
    if damage == "long dictionary":  # a short file of many rows that say one long text
        name = "x" * (parquet_pages.MAX_DECODED_BYTES // parquet_files.ROWS_AT_ONCE + 1)
    rows = scores(ONE, ("valid", "a", "u2", 1, 1, 1, 1, True, name, -0.2))
    parquet_files.write_table(path, rows, schemas.Scores)
    if damage == "not Parquet":
        path.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    if damage == "value":
        table = parquet.read_table(path)
        changed = table.set_column(2, "student", [["u1", "../x"]])
        parquet.write_table(changed.cast(table.schema), path)
    schema = schemas.Pairs if damage == "another table" else schemas.Scores
    with pytest.raises(ShoepairError, match=str(path)) as caught:
        list(parquet_files.iter_table_pieces(path, schema, ["batch", "student"]))
    if damage != "long dictionary":  # read as a whole, that takes less
        with pytest.raises(ShoepairError) as as_a_whole:
            parquet_files.read_table(path, schema)
        assert str(caught.value) == str(as_a_whole.value)
