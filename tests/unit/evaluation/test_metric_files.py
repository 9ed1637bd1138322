"""Schemas of the metrics files: what stages write passes, what lacks something that is shown is refused by key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.pages import made

from shoepair.evaluation import metric_files
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def details(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with contextlib.chdir(tmp_path_factory.mktemp("made")):
        return made({"train": 2, "valid": 2}, models=["cnn", "histogram"]).details


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_evaluate_writes_is_read(details: dict[str, Any]) -> None:
    json_files.write_json(paths.EVALUATION_DETAILS, details)
    assert metric_files.read_details("") == details


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.pop("verdict"), "verdict: Field required"),
        (lambda document: document.update(best="gone"), "no metrics of gone"),
        (lambda document: document["temperatures"].pop("cnn"), "no temperature of cnn"),
        (lambda document: document["models"].pop("cnn"), "no metrics of cnn"),
        (lambda document: document["models"]["cnn"]["valid"].pop("auc_low"), r"models\.cnn\.valid: .*without auc_low"),
        (lambda document: document["models"]["cnn"]["valid"].update(ece="small"), r"models\.cnn\.valid\.ece: "),
        (lambda document: document["differences"][0].pop("high_all"), r"differences\.0: .*without high_all"),
        (lambda document: document.update(kinds={"cnn": {}}), r"kinds\.cnn.*without students_m"),
        (lambda document: document.update(models=[]), "models: Input should be a valid dictionary"),
    ],
)
def test_details_without_something_that_is_shown_are_refused_by_key(
    details: dict[str, Any], change: Change, message: str
) -> None:
    json_files.write_json(paths.EVALUATION_DETAILS, details)
    document = json_files.read_json(paths.EVALUATION_DETAILS, "")
    change(document)
    json_files.write_json(paths.EVALUATION_DETAILS, document)
    with pytest.raises(ShoepairError, match=f"^{paths.EVALUATION_DETAILS}: invalid evaluation details\n") as error:
        metric_files.read_details("run this")
    assert error.match(message)
    assert error.match("run this")


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (metric_files.CrossvalMetrics, {"students": 3}),
        (metric_files.LeakageReport, {"brightness": {"balanced": 0.5}}),
        (metric_files.LeakageReport, {"brightness": 1}),
    ],
)
def test_incomplete_metrics_are_refused(schema: Any, document: dict[str, Any]) -> None:
    with pytest.raises(ShoepairError, match=r"invalid (crossval metrics|leakage report)"):
        json_files.check_schema(document, "here", "", schema)
