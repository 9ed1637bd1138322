"""Reading the outputs of the stages and checking that they are consistent."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from support.pages import made

from shoepair.data import parquet_files, schemas
from shoepair.reports.results import Results, raise_if_inconsistent, read_results
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError

CROSSVAL: Any = SimpleNamespace(models=["cnn"], resamples=100)  # of params.yaml, for the cross-validation


def write_results(results: Results) -> Results:
    """Write the results where the stages write them."""
    for batch, report in results.validation_reports.items():
        json_files.write_json(paths.validation_report_path(batch), report)
    documents = {
        paths.SPLIT_METRICS: results.split_counts,
        paths.LEAKAGE_REPORT: results.probe_results,
        paths.EVALUATION_DETAILS: results.details,
    }
    documents |= {paths.model_card_path(model): card for model, card in results.model_cards.items()}
    documents |= {paths.cv_metrics_path(model): stats for model, stats in results.cv_metrics.items()}
    for path, document in documents.items():
        json_files.write_json(path, document)
    json_files.write_json(paths.THRESHOLDS, results.decision_rule.model_dump())
    parquet_files.write_table(paths.NEAR_DUPLICATES, results.duplicates, schemas.NearDuplicates)
    parquet_files.write_table(paths.LABEL_ISSUES, results.suspects, schemas.LabelIssues)
    parquet_files.write_table(paths.SCORES, results.scores, schemas.Scores)
    for curves, path_of in (
        (results.epoch_curves, paths.epoch_curve_path),
        (results.loss_curves, paths.loss_curve_path),
    ):
        for model, rows in curves.items():
            path_of(model).parent.mkdir(parents=True, exist_ok=True)
            rows.to_csv(path_of(model), index=False)
    photo = {"path": "train/u1_1_left_m.jpg", "subset": "train", "student": "u1", "pair": 1, "side": "left"}
    accepted = pd.DataFrame([photo | {"category": "m", "bytes": 9, "sha256": "a" * 64}])
    parquet_files.write_table(paths.accepted_path("a"), accepted, schemas.AcceptedPhotos)
    line = f"a/train/u1_1_left_m.jpg {'a' * 64}\n"
    return replace(results, dataset_digest=hashlib.sha256(line.encode()).hexdigest())


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, write_results(made({"train": 2, "valid": 2}, models=["cnn"], folded=["cnn"]))


@pytest.fixture
def results(written_once: tuple[Path, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """A class without test students, whose files are in the current directory."""
    shutil.copytree(written_once[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return written_once[1]


def read() -> Results:
    return read_results(["a"], ["a", "b"], CROSSVAL)


def equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal; the dtypes of tables may differ."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, pd.DataFrame):
        columns = list(one.columns)
        return columns == list(other.columns) and one.to_dict("list") == other.to_dict("list")
    return bool(one == other)


def test_everything_that_the_stages_wrote_is_read_back(results: Results) -> None:
    outputs = read()
    expected = replace(results, synthetic_batches=["a"])
    names = [field.name for field in fields(Results)]
    assert [name for name in names if not equal(getattr(outputs, name), getattr(expected, name))] == []


def test_missing_or_damaged_curve_is_named(results: Results) -> None:
    text = "cnn.csv: no rows, expected a table of a training run\ndelete it and run `dvc repro`, which makes it"
    for content in (b"", b"iteration,loss\n", b"\xff\xfe\xff", b"iteration,loss\n1,<script>\n"):
        paths.loss_curve_path("cnn").write_bytes(content)
        with pytest.raises(ShoepairError, match=text):
            read()
    paths.loss_curve_path("cnn").unlink()
    with pytest.raises(ShoepairError, match=r"plots/loss/cnn\.csv: missing\nrun `dvc repro`, which makes it"):
        read()
    assert results.models == ["cnn"]


@pytest.mark.usefixtures("results")
def test_model_card_without_its_configuration_is_refused() -> None:
    card = json_files.read_json(paths.model_card_path("cnn"), "")
    json_files.write_json(paths.model_card_path("cnn"), card | {"config": {"epochs": "many"}})
    with pytest.raises(
        ShoepairError, match=r"^models/cnn\.json: invalid model card\n  config.epochs: (?s:.*)config.lr: "
    ):
        read()


def test_cross_validation_is_read_only_for_the_models_of_params(results: Results) -> None:
    paths.cv_metrics_path("cnn").unlink()
    with pytest.raises(ShoepairError, match=r"metrics/crossval/cnn\.json: missing"):
        read()
    no_models: Any = SimpleNamespace(models=[], resamples=100)
    assert read_results(results.batches, [], no_models).cv_metrics == {}


def test_class_without_test_students_is_evaluated_on_validation(results: Results) -> None:
    assert (results.tested_splits, results.pooled_split) == (["valid"], "valid")
    assert len(results.select_scores("cnn", results.pooled_split)) == 18
    assert len(results.select_scores("histogram", "valid")) == 0


def test_class_with_one_test_split_is_evaluated_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = made({"train": 1, "valid": 2, "test_w": 1}, models=["cnn"])
    assert (results.tested_splits, results.pooled_split) == (["test_w"], "test")
    rows = results.select_scores("cnn", "test")
    assert set(rows["split"]) == {"test_w"}
    assert len(rows) == 9


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (
            lambda results: replace(
                results, validation_reports={"a": results.validation_reports["a"] | {"accepted": 23, "ignored": 1}}
            ),
            "23 accepted photos of 4 students, expected six of each",
        ),
        (
            lambda results: replace(results, split_counts=results.split_counts | {"test_m": {"students": 2}}),
            "4 students accepted, 6 in split counts, 4 in the split table",
        ),
        (
            lambda results: replace(results, scores=results.scores.assign(model="siamese")),
            "models cnn evaluated, siamese scored",
        ),
    ],
)
def test_outputs_of_different_runs_are_an_error_with_the_counts(
    results: Results, spoil: Callable[[Results], Results], problem: str
) -> None:
    with pytest.raises(ShoepairError, match="the outputs of the stages contradict each other") as error:
        raise_if_inconsistent(spoil(results))
    assert error.value.problems == (problem,)
    assert error.value.fix == "run `dvc repro`, which makes them again"


def test_totals_are_sums_over_all_batches(results: Results) -> None:
    more = results.validation_reports["a"] | {"files": 13, "quarantined": 1, "quarantined_students": 1}
    totals = replace(results, validation_reports=results.validation_reports | {"b": more}).total_counts
    assert totals == {
        **{"files": 37, "accepted": 48, "quarantined": 1},
        **{"ignored": 0, "students": 8, "quarantined_students": 1},
    }
