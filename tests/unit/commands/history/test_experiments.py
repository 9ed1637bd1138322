"""Experiments side by side: what differs, and nothing of the hundreds of columns that DVC has."""

from __future__ import annotations

from pathlib import Path

import dvc.api
import pytest

from shoepair.commands import version_control
from shoepair.commands.history.experiments import list_experiments


def test_only_parameters_that_differ_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("models: [cnn]\nlr: 0.004\nn: 8\ntrain:\n  edge: 112\n")
    rows = [
        {"Experiment": None, "rev": "workspace", "lr": 0.004, "n": 8.0, "train.edge": 112.0, "models": "ab.dir",
         "best.model": "cnn", "best.valid": 0.9, "best.test_m": 0.8, "best.test_w": 0.7, "data/pairs.parquet": "12"},
        {"Experiment": "slower", "rev": "abc", "lr": 0.0005, "n": 8.0, "train.edge": 112.0, "models": "cd.dir"},
    ]  # fmt: skip
    monkeypatch.setattr(version_control, "run_git", lambda *_: b"")
    monkeypatch.setattr(dvc.api, "exp_show", lambda **_: rows)
    first, second = list_experiments()
    assert first == {
        "name": "workspace",
        "parameters": {"lr": 0.004},
        "model": "cnn",
        "accuracies": {"valid": 0.9, "test_m": 0.8, "test_w": 0.7},
    }
    assert (second["name"], second["parameters"], second["model"]) == ("slower", {"lr": 0.0005}, None)
