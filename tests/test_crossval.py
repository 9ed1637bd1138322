"""Cross-validation: nobody is judged by a model that saw them, and nothing is trained twice."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import edit
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from shoepair import batches, crossval, engine, evaluation, pairs, params, paths, table, training, trials
from shoepair.cli import app
from shoepair.engine import cluster
from shoepair.errors import ShoepairError
from stages import crossval as stage
from stages import ingest, normalize, split, validate
from stages import pairs as pair_stage


@given(st.integers(4, 60), st.integers(2, 5), st.integers(0, 3))
def test_folds_are_of_equal_size_and_dealt_anew_each_time(students: int, folds: int, repeat: int) -> None:
    names = [f"a/u{number}" for number in range(students)]
    if students < 2 * folds:
        with pytest.raises(ShoepairError, match=f"{students} students in train and valid, expected {2 * folds}"):
            crossval.deal(names, folds, repeat)
        return
    dealt = crossval.deal(names, folds, repeat)
    sizes = Counter(dealt.values())
    assert len(dealt) == students
    assert max(sizes.values()) - min(sizes.values()) <= 1
    assert crossval.deal(names[::-1], folds, repeat) == dealt
    assert students < 12 or crossval.deal(names, folds, repeat + 1) != dealt


@pytest.fixture
def paired(project: Path) -> Path:
    """The tiny project after stage pairs: six students of train and valid, two test students."""
    for each in (ingest, validate, normalize):
        each.main("tiny")
    split.main()
    pair_stage.main()
    return project


def test_every_student_is_scored_once_a_repeat_by_models_that_never_saw_them(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paired.is_dir()
    rows = table.read(paths.PAIRS, pairs.Pairs)
    seen: list[set[str]] = []
    real = batches.within

    def spy(given: pd.DataFrame, edge: int, memory: int, device: torch.device) -> object:
        seen.append({*given["student"].unique()})
        return real(given, edge, memory, device)

    monkeypatch.setattr(batches, "within", spy)
    chosen = params.load(params.Train, {"epochs": "1"})
    crossval.run(crossval.Plan("siamese", 3, 1), chosen, rows, lambda _line: None)
    assert len(seen) == 6
    for learnt, left in zip(seen[::2], seen[1::2], strict=True):
        assert not learnt & left
        assert len(learnt | left) == 6, "test students took part, or somebody is missing"
    scores = crossval.run(crossval.Plan("siamese", 3, 2), chosen, rows, lambda _line: None)
    assert (scores.groupby(["repeat", "batch", "student", "left", "right"]).size() == 1).all()
    assert len(scores) == 2 * 6 * 9


def test_nothing_is_trained_twice(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paired.is_dir()
    first = trials.run(["histogram", "siamese"], 3, 1, ["epochs=1"], lambda _line: None)
    monkeypatch.setattr(training, "fit", lambda *_words: pytest.fail("trained again"))
    assert trials.run(["histogram", "siamese"], 3, 1, ["epochs=1"], lambda _line: None) == first
    assert first["siamese"]["students"] == 6
    assert set(first["siamese"]["above_histogram"]) >= {"balanced_all", "low_all", "high_all"}


def test_epoch_is_chosen_by_students_who_are_neither_learnt_from_nor_judged(paired: Path) -> None:
    assert paired.is_dir()
    found = trials.run(["siamese"], 3, 1, ["epochs=2", "train.keep=best"], lambda _line: None)
    assert found["siamese"]["pairs"] == 6 * 9


@pytest.mark.slow
def test_folds_on_ray_are_those_of_this_machine(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paired.is_dir()
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    rows, chosen = table.read(paths.PAIRS, pairs.Pairs), params.load(params.Train, {"epochs": "1"})
    plans = [crossval.Plan("histogram", 3, 1), crossval.Plan("siamese", 3, 2)]
    here, lines = crossval.run_all(plans, chosen, rows, lambda _line: None), list[str]()
    shutil.rmtree("checkpoints")
    monkeypatch.setenv(engine.SWITCH, "ray")
    monkeypatch.delenv(cluster.ADDRESS, raising=False)
    try:
        there = crossval.run_all(plans, chosen, rows, lines.append)
    finally:
        ray.shutdown()
    for model in ("histogram", "siamese"):
        pd.testing.assert_frame_equal(here[model], there[model], check_exact=True)
    assert [line.partition(",")[0] for line in lines] == [
        *(f"histogram: {number} of 3 folds" for number in (1, 2, 3)),
        *(f"siamese: {number} of 6 folds" for number in range(1, 7)),
    ]
    assert {path.suffix for path in Path("checkpoints").rglob("*.*")} == {".parquet"}


@pytest.mark.parametrize("word", ["train.keep=best", "train.patience=1"])
def test_two_folds_leave_nobody_to_choose_an_epoch_by(paired: Path, word: str) -> None:
    assert paired.is_dir()
    with pytest.raises(ShoepairError, match="2 folds, expected 3 or more"):
        trials.run(["siamese"], 2, 1, ["epochs=1", word], lambda _line: None)


def test_command_prints_table_and_json_and_names_mistakes(paired: Path) -> None:
    assert paired.is_dir()
    runner = CliRunner()
    words = ["crossval", "histogram", "--folds", "3"]
    told = runner.invoke(app, words)
    assert "histogram" in told.stdout
    assert "3 of 3 folds" in told.stderr
    assert json.loads(runner.invoke(app, [*words, "--json"]).stdout)["histogram"]["students"] == 6
    for wrong, text in (
        (["--set", "lr"], "--set lr: expected KEY=VALUE"),
        (["--set", "lr=fast"], "lr: 'fast', expected a valid number"),
        (["--set", "speed=1"], "speed: not a parameter"),
        (["--folds", "5"], "6 students in train and valid, expected 10 for 5 folds"),
    ):
        failed = runner.invoke(app, ["crossval", "histogram", *wrong])
        assert isinstance(failed.exception, ShoepairError)
        assert text in str(failed.exception)


def test_stage_writes_scores_and_metrics(paired: Path) -> None:
    edit(paired / "params.yaml", "folds: 5 ", "folds: 3 ")
    stage.main("histogram")
    scores = table.read(paths.folded("histogram"), crossval.Folded)
    assert len(scores) == 2 * 6 * 9
    told = json.loads(paths.folded_metrics("histogram").read_text())
    assert told == evaluation.metrics(scores, 100, 1)
