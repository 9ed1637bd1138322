"""Entries of dvc.yaml, as stages read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.field import ROOT
from support.pipeline import STAGES, declared
from support.settings import write

from shoepair.runtime import parameter_files, paths
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_declaration import PIPELINE_FILE, read_declaration


@pytest.mark.parametrize("stage", STAGES)
def test_declaration_has_all_of_the_entry(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    entry, found = declared(stage), read_declaration(stage, "a")
    assert len(found.dependencies) == len(entry["deps"])
    assert len(found.outputs) == len(entry.get("outs", [])) + len(entry.get("metrics", []))
    assert "$" not in repr(found)


def test_declaration_is_for_one_batch_or_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sample, crossval = read_declaration("sample", "winter"), read_declaration("crossval", "cnn")
    assert sample.parameter_keys[paths.BATCH_LIST] == ["synthetic_classes.winter"]
    assert sample.command == "python -m stages.sample winter"
    assert sample.outputs == [paths.raw_path("winter")]
    assert crossval.outputs == [paths.cv_scores_path("cnn"), paths.cv_metrics_path("cnn")]
    assert "crossval.folds" in crossval.parameter_keys[paths.PARAMS]


def test_stage_that_is_not_declared_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(PIPELINE_FILE, "stages: {}\n")
    with pytest.raises(ShoepairError, match=r"^dvc\.yaml: no stage 'train'"):
        read_declaration("train", "cnn")
    with parameter_files.freeze_files([PIPELINE_FILE]):
        write(PIPELINE_FILE, "stages: {train: {cmd: x}}\n")
        with pytest.raises(ShoepairError):
            read_declaration("train", "cnn")
    assert read_declaration("train", "cnn").command == "x"
