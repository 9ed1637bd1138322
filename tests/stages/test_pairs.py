"""Stage pairs: the table of pairs; the nine combinations of a student are in test_split_and_pairs.py."""

from __future__ import annotations

import numpy as np
import pytest
from support.classes import SPLIT

from shoepair.data import naming, pairs, parquet_files, schemas
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, split, validate
from stages import pairs as stage


def test_pairs_are_sorted_by_split_and_keep_the_order_of_students() -> None:
    rows = pairs.build_pair_rows(SPLIT)
    assert list(rows["student"].unique()) == ["u2", "u8", "u3", "u7", "u1"]
    assert list(rows["split"].unique()) == list(naming.SPLITS)
    assert rows.index.tolist() == list(range(45))


@pytest.mark.parametrize("name", naming.SPLITS)
def test_standard_pairs_of_a_split_are_three_same_and_three_different_per_student(name: str) -> None:
    rows = pairs.build_pair_rows(SPLIT)
    rows = rows[rows["standard"] & (rows["split"] == name)]
    assert set(rows["student"]) == set(SPLIT[SPLIT["split"] == name]["student"])
    assert (rows.groupby(["student", "same"]).size() == 3).all()


def test_generated_pairs_are_those_of_the_table() -> None:
    data = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2, 1, 1, 1) * np.ones((1, 1, 1, 2, 2, 3), np.float32)
    rows = pairs.build_pair_rows(SPLIT[SPLIT["split"] == "train"].assign(row=[0, 1]))
    for same, generate in (
        (schemas.SAME, pairs.generate_same_pair),
        (schemas.DIFFERENT, pairs.generate_different_pair),
    ):
        standard = rows[rows["standard"] & (rows["same"] == same)]
        row, left, right = (standard[name].to_numpy() for name in ("row", "left", "right"))
        expected = np.concatenate([data[row, left - 1, 0], data[row, right - 1, 1]], axis=1)
        assert (generate(data) == expected).all()


@pytest.mark.usefixtures("project")
def test_stage_writes_the_same_bytes_again_and_prints_counts(capsys: pytest.CaptureFixture[str]) -> None:
    ingest.main("tiny")
    validate.main("tiny")
    split.main()
    stage.main()
    first = paths.PAIRS.read_bytes()
    assert capsys.readouterr().out.splitlines()[-1] == "pairs: 24 same, 48 different"
    paths.PAIRS.unlink()
    stage.main()
    assert paths.PAIRS.read_bytes() == first
    assert parquet_files.read_table(paths.PAIRS, schemas.Pairs).equals(
        pairs.build_pair_rows(parquet_files.read_table(paths.SPLIT, schemas.StudentSplits))
    )


@pytest.mark.usefixtures("project")
def test_stage_before_the_split_says_what_to_run() -> None:
    with pytest.raises(ShoepairError, match=r"data/split\.parquet: missing\nrun `dvc repro`"):
        stage.main()
    assert not paths.PAIRS.exists()
