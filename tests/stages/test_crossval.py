"""Cross-validation: nobody is judged by a model that saw them, and nothing is trained twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from support import folds
from support.field import edit
from typer.testing import CliRunner

from shoepair.commands import grid_search
from shoepair.commands.main import app
from shoepair.data import loading, schemas, tables
from shoepair.evaluation import metrics
from shoepair.reports import terminal
from shoepair.runtime import parallel, paths
from shoepair.runtime.errors import ShoepairError
from shoepair.training import crossval, loop
from stages import crossval as stage


def test_every_student_is_scored_once_a_repeat_by_models_that_never_saw_them(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paired.is_dir()
    rows = tables.read(paths.PAIRS, schemas.Pairs)
    seen: list[set[str]] = []
    drawn: list[int] = []
    real = loading.within

    def spy(given: pd.DataFrame, edge: int, memory: int, device: torch.device) -> object:
        own = given["batch"] == "tiny"
        seen.append({*given["student"][own].unique()})
        drawn.append(given["student"][~own].nunique())
        return real(given, edge, memory, device)

    monkeypatch.setattr(loading, "within", spy)
    crossval.run([folds.plan("siamese", 3, 1, {"epochs": "1"})], rows, lambda _line: None)
    assert len(seen) == 6
    assert drawn == [2, 0] * 3, "drawn students are learnt from, and judge nobody"
    for learnt, left in zip(seen[::2], seen[1::2], strict=True):
        assert not learnt & left
        assert len(learnt | left) == 6, "test students took part, or somebody is missing"
    twice = folds.plan("siamese", 3, 2, {"epochs": "1"})
    scores = crossval.run([twice], rows, lambda _line: None)[twice]
    assert (scores.groupby(["repeat", "batch", "student", "left", "right"]).size() == 1).all()
    assert len(scores) == 2 * 6 * 9


def test_nothing_is_trained_twice(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paired.is_dir()
    first = grid_search.run(["histogram", "siamese"], 3, 1, ["epochs=1"], lambda _line: None)
    monkeypatch.setattr(loop, "fit", lambda *_words: pytest.fail("trained again"))
    assert grid_search.run(["histogram", "siamese"], 3, 1, ["epochs=1"], lambda _line: None) == first
    alone = grid_search.run(["histogram"], 3, 1, ["epochs=1", "train.synthetic=0.0"], lambda _line: None)
    assert alone["histogram"]["auc"] == first["histogram"]["auc"], (
        "drawn students are nothing to a model without gradients"
    )
    assert first["siamese"]["students"] == 6
    assert set(first["siamese"]["above_histogram"]) >= {"balanced_all", "low_all", "high_all"}


def test_epoch_is_chosen_by_students_who_are_neither_learnt_from_nor_judged(paired: Path) -> None:
    assert paired.is_dir()
    found = grid_search.run(["siamese"], 3, 1, ["epochs=2", "train.keep=best"], lambda _line: None)
    assert found["siamese"]["pairs"] == 6 * 9


def test_grid_tries_each_value_with_each_other_on_the_same_folds(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paired.is_dir()
    words, lines = ["epochs=1, 2", "train.affine=0.0,0.5", "train.mirror=false"], list[str]()
    found = grid_search.run(["siamese"], 3, 1, words, lines.append)
    tried = [f"epochs={epochs} train.affine={affine}" for epochs in (1, 2) for affine in (0.0, 0.5)]
    assert list(found) == [f"siamese {each}" for each in tried]
    assert [line.partition(":")[0] for line in lines] == [f"siamese {each}" for each in tried for _ in range(3)]
    assert ["above_first" in got for got in found.values()] == [False, True, True, True]
    first, last = found[f"siamese {tried[0]}"], found[f"siamese {tried[3]}"]
    gain = last["above_first"]
    assert gain["balanced_all"] == pytest.approx(last["balanced_all"] - first["balanced_all"], abs=2e-4)  # rounded
    assert gain["low_all"] <= gain["balanced_all"] <= gain["high_all"]
    assert "above the first tried" in terminal.fold_table(found)
    monkeypatch.setattr(loop, "fit", lambda *_words: pytest.fail("trained again"))
    alone = grid_search.run(["siamese"], 3, 1, ["epochs=2", "train.affine=0.5", "train.mirror=false"], lines.append)
    assert last["set"] == {"epochs": "2", "train.affine": "0.5"}
    without = {name: value for name, value in last.items() if name != "above_first"}
    assert alone == {"siamese": without | {"set": {}}}


def test_values_that_are_one_are_tried_once(paired: Path) -> None:
    assert paired.is_dir()
    lines: list[str] = []
    found = grid_search.run(["histogram"], 3, 1, ["lr=1.0e-3,0.001", "epochs=1"], lines.append)
    assert list(found) == ["histogram lr=1.0e-3"]
    assert len(lines) == 3


def test_fold_that_is_done_stays_though_an_earlier_one_is_not(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paired.is_dir()

    def killed(work: Callable[[object], object], pieces: list[object], **_words: object) -> Iterator[object]:
        work(pieces[-1])
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(parallel, "ordered", killed)
    with pytest.raises(KeyboardInterrupt):
        grid_search.run(["histogram"], 3, 1, ["epochs=1"], lambda _line: None)
    left: list[int] = []

    def counted(work: Callable[[object], object], pieces: list[object], **_words: object) -> Iterator[object]:
        left.append(len(pieces))
        return map(work, pieces)

    monkeypatch.setattr(parallel, "ordered", counted)
    grid_search.run(["histogram"], 3, 1, ["epochs=1"], lambda _line: None)
    assert left == [2]


@pytest.mark.parametrize("word", ["train.keep=best", "train.patience=1"])
def test_two_folds_leave_nobody_to_choose_an_epoch_by(paired: Path, word: str) -> None:
    assert paired.is_dir()
    with pytest.raises(ShoepairError, match="2 folds, expected 3 or more"):
        grid_search.run(["siamese"], 2, 1, ["epochs=1", word], lambda _line: None)


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
        (["--set", "lr=1.0e-3,fast"], "lr: 'fast', expected a valid number"),
        (["--set", "lr=1.0e-3,"], "lr"),
        (["--set", "split.valid=0.1,0.2"], "--set split.valid: 2 values, expected one of what is no parameter"),
        (["--set", "speed=1"], "speed: not a parameter"),
        (["--folds", "5"], "6 students in train and valid, expected 10 for 5 folds"),
    ):
        failed = runner.invoke(app, ["crossval", "histogram", *wrong])
        assert isinstance(failed.exception, ShoepairError)
        assert text in str(failed.exception)


def test_stage_writes_scores_and_metrics(paired: Path) -> None:
    edit(paired / "params.yaml", "folds: 5 ", "folds: 3 ")
    stage.main("histogram")
    scores = tables.read(paths.folded("histogram"), schemas.Folded)
    assert len(scores) == 2 * 6 * 9
    told = json.loads(paths.folded_metrics("histogram").read_text())
    assert told == metrics.metrics(scores, 100, 1)
