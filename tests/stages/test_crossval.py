"""Cross-validation: no student is scored by a model trained on them, and nothing is trained twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from support import folds
from support.field import edit
from typer.testing import CliRunner

from shoepair.commands import grid_search
from shoepair.commands.main import app
from shoepair.data import loading, parquet_files, schemas
from shoepair.evaluation import metrics
from shoepair.reports import terminal_tables
from shoepair.runtime import parallel, paths, stage_inputs
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_inputs import InputsChangedError
from shoepair.training import crossval, loop
from stages import crossval as stage


def test_every_student_is_scored_once_a_repeat_by_models_not_trained_on_them(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paired.is_dir()
    rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    loaded: list[set[str]] = []
    synthetic: list[int] = []
    real = loading.load_or_stream_pairs

    def spy(pair_rows: pd.DataFrame, edge: int, memory: int, device: torch.device) -> object:
        is_real = pair_rows["batch"] == "tiny"
        loaded.append({*pair_rows["student"][is_real].unique()})
        synthetic.append(pair_rows["student"][~is_real].nunique())
        return real(pair_rows, edge, memory, device)

    monkeypatch.setattr(loading, "load_or_stream_pairs", spy)
    crossval.cross_validate([folds.plan("siamese", 3, 1, {"epochs": "1"})], rows, lambda _line: None)
    assert len(loaded) == 6
    assert synthetic == [2, 0] * 3, "synthetic students are trained on and never scored"
    for trained, held_out in zip(loaded[::2], loaded[1::2], strict=True):
        assert not trained & held_out
        assert len(trained | held_out) == 6, "test students took part, or a student is missing"
    twice = folds.plan("siamese", 3, 2, {"epochs": "1"})
    scores = crossval.cross_validate([twice], rows, lambda _line: None)[twice]
    assert (scores.groupby(["repeat", "batch", "student", "left", "right"]).size() == 1).all()
    assert len(scores) == 2 * 6 * 9


def test_nothing_is_trained_twice(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paired.is_dir()
    first = grid_search.cross_validate_grid(["histogram", "siamese"], 3, 1, ["epochs=1"], lambda _line: None)
    monkeypatch.setattr(loop, "fit", lambda *_words, **_values: pytest.fail("trained again"))
    assert grid_search.cross_validate_grid(["histogram", "siamese"], 3, 1, ["epochs=1"], lambda _line: None) == first
    alone = grid_search.cross_validate_grid(
        ["histogram"], 3, 1, ["epochs=1", "train.synthetic_ratio=0.0"], lambda _line: None
    )
    assert alone["histogram"]["auc"] == first["histogram"]["auc"], (
        "synthetic students change nothing for a model without gradients"
    )
    assert first["siamese"]["students"] == 6
    above = first["siamese"]["above_histogram"]
    assert set(above) >= {"balanced_all", "low_all", "high_all"}
    run_again = partial(
        grid_search.cross_validate_grid, ["histogram", "siamese"], 3, 1, ["epochs=1"], lambda _line: None
    )
    other = run_again(against="siamese")
    assert "above_siamese" not in other["siamese"]
    assert other["histogram"]["above_siamese"]["low_all"] == pytest.approx(-above["high_all"])
    with pytest.raises(ShoepairError, match=r"^--against cnn: expected one of .*: histogram, siamese"):
        run_again(against="cnn")


def test_epoch_is_selected_by_students_neither_trained_on_nor_scored(paired: Path) -> None:
    assert paired.is_dir()
    results = grid_search.cross_validate_grid(
        ["siamese"], 3, 1, ["epochs=2", "train.keep_epoch=best"], lambda _line: None
    )
    assert results["siamese"]["pairs"] == 6 * 9


def test_grid_tries_each_value_with_each_other_on_the_same_folds(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paired.is_dir()
    words, lines = ["epochs=1, 2", "train.affine=0.0,0.5", "train.mirror_swap=false"], list[str]()
    results = grid_search.cross_validate_grid(["siamese"], 3, 1, words, lines.append)
    tried = [f"epochs={epochs} train.affine={affine}" for epochs in (1, 2) for affine in (0.0, 0.5)]
    assert list(results) == [f"siamese {values}" for values in tried]
    assert [line.partition(":")[0] for line in lines] == [f"siamese {values}" for values in tried for _ in range(3)]
    assert ["above_first" in result for result in results.values()] == [False, True, True, True]
    first, last = results[f"siamese {tried[0]}"], results[f"siamese {tried[3]}"]
    gain = last["above_first"]
    assert gain["balanced_all"] == pytest.approx(last["balanced_all"] - first["balanced_all"], abs=2e-4)  # rounded
    assert gain["low_all"] <= gain["balanced_all"] <= gain["high_all"]
    assert "above the first tried" in terminal_tables.cv_table(results).plain_text()
    monkeypatch.setattr(loop, "fit", lambda *_words, **_values: pytest.fail("trained again"))
    alone = grid_search.cross_validate_grid(
        ["siamese"], 3, 1, ["epochs=2", "train.affine=0.5", "train.mirror_swap=false"], lines.append
    )
    assert last["parameters"] == {"epochs": "2", "train.affine": "0.5"}
    without = {name: value for name, value in last.items() if name != "above_first"}
    assert alone == {"siamese": without | {"parameters": {}}}


def test_equal_values_are_tried_once(paired: Path) -> None:
    assert paired.is_dir()
    lines: list[str] = []
    results = grid_search.cross_validate_grid(["histogram"], 3, 1, ["lr=1.0e-3,0.001", "epochs=1"], lines.append)
    assert list(results) == ["histogram lr=1.0e-3"]
    assert len(lines) == 3


def test_finished_fold_is_kept_though_an_earlier_one_is_not_finished(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paired.is_dir()

    def interrupted(function: Callable[[object], object], tasks: list[object], **_words: object) -> Iterator[object]:
        function(tasks[-1])
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(parallel, "imap_ordered", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grid_search.cross_validate_grid(["histogram"], 3, 1, ["epochs=1"], lambda _line: None)
    remaining: list[int] = []

    def counting(function: Callable[[object], object], tasks: list[object], **_words: object) -> Iterator[object]:
        remaining.append(len(tasks))
        return map(function, tasks)

    monkeypatch.setattr(parallel, "imap_ordered", counting)
    grid_search.cross_validate_grid(["histogram"], 3, 1, ["epochs=1"], lambda _line: None)
    assert remaining == [2]


def test_fold_trained_while_a_store_changed_is_not_kept(paired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paired.is_dir()
    monkeypatch.setattr(stage_inputs, "SAVING_SECONDS", 0)
    path, real = paths.store_path("tiny"), loading.load_or_stream_pairs
    content = path.read_bytes()

    def replaced(*words: object) -> object:
        path.write_bytes(content[:-1] + b"x")
        return real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load_or_stream_pairs", replaced)
    with pytest.raises(InputsChangedError, match=r"^crossval: data/store/tiny\.h5 changed while it ran"):
        grid_search.cross_validate_grid(["histogram"], 3, 1, ["epochs=1"], lambda _line: None)
    assert list(Path("checkpoints").rglob("*.parquet")) == []
    monkeypatch.setattr(loading, "load_or_stream_pairs", real)
    path.write_bytes(content)
    results = grid_search.cross_validate_grid(["histogram"], 3, 1, ["epochs=1"], lambda _line: None)
    assert results["histogram"]["students"] == 6


@pytest.mark.parametrize("word", ["train.keep_epoch=best", "train.patience=1"])
def test_two_folds_leave_no_students_to_select_an_epoch(paired: Path, word: str) -> None:
    assert paired.is_dir()
    with pytest.raises(ShoepairError, match="2 folds, expected 3 or more"):
        grid_search.cross_validate_grid(["siamese"], 2, 1, ["epochs=1", word], lambda _line: None)


def test_command_prints_table_and_json_and_names_mistakes(paired: Path) -> None:
    assert paired.is_dir()
    runner = CliRunner()
    words = ["crossval", "histogram", "--folds", "3"]
    result = runner.invoke(app, words)
    assert "histogram" in result.stdout
    assert "3 of 3 folds" in result.stderr
    assert json.loads(runner.invoke(app, [*words, "--json"]).stdout)["histogram"]["students"] == 6
    for options, text in (
        (["--set", "lr"], "--set lr: expected KEY=VALUE"),
        (["--set", "lr=fast"], "lr: 'fast', expected a valid number"),
        (["--set", "lr=1.0e-3,fast"], "lr: 'fast', expected a valid number"),
        (["--set", "lr=1.0e-3,"], "lr"),
        (["--set", "split.valid=0.1,0.2"], "--set split.valid: 2 values, expected one, since it is not a parameter"),
        (["--set", "speed=1"], "speed: not a parameter"),
        (["--folds", "5"], "6 students in train and valid, expected 10 for 5 folds"),
    ):
        failed = runner.invoke(app, ["crossval", "histogram", *options])
        assert isinstance(failed.exception, ShoepairError)
        assert text in str(failed.exception)


def test_stage_writes_scores_and_metrics(paired: Path) -> None:
    edit(paired / "params.yaml", "folds: 5 ", "folds: 3 ")
    stage.main("histogram")
    scores = parquet_files.read_table(paths.cv_scores_path("histogram"), schemas.FoldScores)
    assert len(scores) == 2 * 6 * 9
    written = json.loads(paths.cv_metrics_path("histogram").read_text())
    assert written == metrics.compute_metrics(scores, 100, 1)
