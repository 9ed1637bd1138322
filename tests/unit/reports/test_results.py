"""The outputs of the stages, read back and held against each other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from support.pages import made

from shoepair.data import documents, schemas, tables
from shoepair.reports import results
from shoepair.reports.results import Facts
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

CHOSEN: Any = SimpleNamespace(models=["cnn"], resamples=100)  # of params.yaml, for the cross-validation


def written(found: Facts) -> Facts:
    """The facts, written where the stages write them."""
    for batch, report in found.validation.items():
        documents.write_json(paths.validation(batch), report)
    plain = {paths.SPLIT_METRICS: found.counts, paths.AUDIT: found.audit, paths.EVALUATION_DETAILS: found.details}
    plain |= {paths.card(model): card for model, card in found.cards.items()}
    plain |= {paths.folded_metrics(model): got for model, got in found.folded.items()}
    for path, document in plain.items():
        documents.write_json(path, document)
    documents.write_json(paths.DECISION, found.decision.model_dump())
    tables.write(paths.DUPLICATES, found.twice, schemas.Duplicates)
    tables.write(paths.SUSPECTS, found.suspects, schemas.Suspects)
    tables.write(paths.SCORES, found.scores, schemas.Scores)
    for curves, place in ((found.epochs, paths.epochs), (found.iterations, paths.iterations)):
        for model, rows in curves.items():
            place(model).parent.mkdir(parents=True, exist_ok=True)
            rows.to_csv(place(model), index=False)
    return found


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Facts]:
    folder = tmp_path_factory.mktemp("facts")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, written(made({"train": 2, "valid": 2}, models=["cnn"], folded=["cnn"]))


@pytest.fixture
def found(written_once: tuple[Path, Facts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Facts:
    """A class without test students, whose files are in the current directory."""
    shutil.copytree(written_once[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return written_once[1]


def read() -> Facts:
    return results.read(["a"], ["a", "b"], CHOSEN)


def equal(one: Any, other: Any) -> bool:
    """Whether two facts are the same; what a table's numbers are made of may differ."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, pd.DataFrame):
        columns = list(one.columns)
        return columns == list(other.columns) and one.to_dict("list") == other.to_dict("list")
    return bool(one == other)


def test_everything_that_the_stages_wrote_is_read_back(found: Facts) -> None:
    got = read()
    wanted = replace(found, drawn=["a"])
    names = [field.name for field in fields(Facts)]
    assert [name for name in names if not equal(getattr(got, name), getattr(wanted, name))] == []


def test_curve_that_is_missing_or_no_table_is_named(found: Facts) -> None:
    for content, text in (
        (b"", "plots/loss/cnn.csv: not a table of a training run\ndelete it and run `dvc repro`, which makes it"),
        (b"iteration,loss\n", "plots/loss/cnn.csv: not a table of a training run\ndelete it"),
        (b"\xff\xfe\xff", "plots/loss/cnn.csv: not a table of a training run\ndelete it"),
    ):
        paths.iterations("cnn").write_bytes(content)
        with pytest.raises(ShoepairError, match=text):
            read()
    paths.iterations("cnn").unlink()
    with pytest.raises(ShoepairError, match=r"plots/loss/cnn\.csv: missing\nrun `dvc repro`, which makes it"):
        read()
    assert found.models == ["cnn"]


def test_cross_validation_is_asked_for_only_where_it_was_chosen(found: Facts) -> None:
    paths.folded_metrics("cnn").unlink()
    with pytest.raises(ShoepairError, match=r"metrics/crossval/cnn\.json: missing"):
        read()
    nothing: Any = SimpleNamespace(models=[], resamples=100)
    assert results.read(found.batches, [], nothing).folded == {}


def test_class_without_test_students_is_judged_by_validation(found: Facts) -> None:
    assert (found.tested, found.whole) == (["valid"], "valid")
    assert len(found.of("cnn", found.whole)) == 18
    assert len(found.of("histogram", "valid")) == 0


def test_class_with_one_test_set_is_judged_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = made({"train": 1, "valid": 2, "test_w": 1}, models=["cnn"])
    assert (found.tested, found.whole) == (["test_w"], "test")
    rows = found.of("cnn", "test")
    assert set(rows["split"]) == {"test_w"}
    assert len(rows) == 9


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (
            lambda found: replace(found, validation={"a": found.validation["a"] | {"accepted": 23, "ignored": 1}}),
            "23 accepted photos of 4 students, expected six of each",
        ),
        (
            lambda found: replace(found, counts=found.counts | {"test_m": {"students": 2}}),
            "4 students accepted, 6 counted in splits, 4 in the table",
        ),
        (
            lambda found: replace(found, scores=found.scores.assign(model="siamese")),
            "models cnn measured, siamese scored",
        ),
    ],
)
def test_outputs_of_different_runs_are_refused_with_the_counts(
    found: Facts, spoil: Callable[[Facts], Facts], problem: str
) -> None:
    with pytest.raises(ShoepairError, match="the outputs of the stages do not go together") as error:
        results.refuse_mismatch(spoil(found))
    assert error.value.problems == (problem,)
    assert error.value.fix == "run `dvc repro`, which makes them of one piece"


def test_totals_are_sums_over_all_batches(found: Facts) -> None:
    more = found.validation["a"] | {"files": 13, "quarantined": 1, "quarantined_students": 1}
    got = replace(found, validation=found.validation | {"b": more}).total
    assert got == {
        **{"files": 37, "accepted": 48, "quarantined": 1},
        **{"ignored": 0, "students": 8, "quarantined_students": 1},
    }
