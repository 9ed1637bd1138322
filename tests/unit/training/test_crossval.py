"""Assignment of students to folds, and the names of runs and tasks; runs are in stages/test_crossval.py."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from shoepair.data import pairs, parquet_files
from shoepair.data.schemas import Scores
from shoepair.runtime.errors import ShoepairError
from shoepair.training import checkpoints, crossval
from shoepair.training.config import TrainConfig
from shoepair.training.crossval import MIN_STUDENTS_PER_FOLD, CVRun, FoldTask, assign_fold_by_student

CONFIG = TrainConfig(device="cpu", keep_epoch="last")
STUDENTS = [f"b/u{number:03}" for number in range(40)]


@settings(max_examples=30, deadline=None)
@given(students=st.integers(4, 40), folds=st.integers(2, 10), repeat=st.integers(0, 3))
def test_every_student_is_in_one_fold_and_folds_are_of_equal_size(students: int, folds: int, repeat: int) -> None:
    if students < MIN_STUDENTS_PER_FOLD * folds:
        with pytest.raises(
            ShoepairError, match=f"^crossval: {students} students .*, expected {MIN_STUDENTS_PER_FOLD * folds} for"
        ):
            assign_fold_by_student(STUDENTS[:students], folds, repeat)
        return
    fold_of = assign_fold_by_student(STUDENTS[:students], folds, repeat)
    assert sorted(fold_of) == STUDENTS[:students]
    sizes = Counter(fold_of.values())
    assert set(sizes) == set(range(folds))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_folds_follow_from_students_and_repeat_alone() -> None:
    first = assign_fold_by_student(STUDENTS, 5, 0)
    assert assign_fold_by_student(STUDENTS[::-1], 5, 0) == first
    assert assign_fold_by_student(STUDENTS, 5, 1) != first


def test_kept_scores_with_a_turned_bit_are_computed_again(tmp_path: Path) -> None:
    pair = {"split": "train", "batch": "a", "student": "u1", "row": 0, "left": 1, "right": 1, "same": 1}
    scores = Scores.validate(pd.DataFrame([pair | {"standard": True, "model": "cnn", "logit": 0.5}]))
    path = tmp_path / "cnn-0.parquet"
    assert crossval._read_kept_scores(path) is None
    crossval._keep_scores(path, scores)
    kept = crossval._read_kept_scores(path)
    assert kept is not None
    assert_frame_equal(kept, scores)
    assert parquet_files.read_any_table(path).to_pylist() == scores.to_dict("records")  # for `forget --purge`
    written = path.read_bytes()
    for position in range(0, len(written), 7):
        turned = bytes([written[position] ^ 1 << position % 8])
        path.write_bytes(written[:position] + turned + written[position + 1 :])
        assert crossval._read_kept_scores(path) is None, position


def test_fold_learns_from_so_many_students_of_the_others_and_smaller_draws_are_part_of_larger_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = pd.DataFrame(
        {"batch": "b", "student": [name[2:] for name in STUDENTS], "row": range(40), "split": "train"}
    )
    rows = pairs.build_pair_rows(split)
    monkeypatch.setattr(checkpoints, "compute_run_key", lambda *_: "key")
    drawn: list[set[str]] = []
    for count in (2, 5, 32, 0):
        job, _, held_out = crossval._prepare_fold(FoldTask(CVRun("histogram", 5, 1, CONFIG, (), count), 0, 1), rows)
        drawn.append(set(job.train_rows["student"]))
        assert len(drawn[-1]) == (count or 32)
        assert not drawn[-1] & set(held_out["student"])
        assert held_out["student"].nunique() == 8, "all of the fold are scored"
    assert drawn[0] < drawn[1] < drawn[2] == drawn[3]
    other, *_ = crossval._prepare_fold(FoldTask(CVRun("histogram", 5, 1, CONFIG, (), 5), 0, 2), rows)
    assert set(other.train_rows["student"]) != drawn[1], "each fold draws its own"
    with pytest.raises(ShoepairError, match=r"^crossval: 33 students to learn from, found 32 in the other folds"):
        crossval._prepare_fold(FoldTask(CVRun("histogram", 5, 1, CONFIG, (), 33), 0, 1), rows)


def test_task_is_named_with_its_overrides() -> None:
    cv_run = CVRun("cnn", 5, 2, TrainConfig(), (("lr", "5.0e-4"), ("epochs", "3")))
    assert str(cv_run) == "cnn lr=5.0e-4 epochs=3"
    assert str(CVRun("cnn", 5, 2, TrainConfig(), (("lr", "5.0e-4"),), 5)) == "cnn from 5 students lr=5.0e-4"
    assert str(FoldTask(cv_run, 1, 4)) == "crossval cnn lr=5.0e-4 epochs=3: repeat 2, fold 5"
