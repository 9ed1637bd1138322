"""The tiny project before training, and runs of its cross-validation."""

from __future__ import annotations

import pytest

from shoepair.runtime import params
from shoepair.runtime.parallel import local
from shoepair.training import crossval
from shoepair.training.config import TrainConfig
from stages import ingest, normalize, pairs, split, synthetic, validate


def plan(model: str, folds: int, repeats: int, words: dict[str, str]) -> crossval.CVRun:
    """Return a cross-validation of a model, with parameters overridden by `words`."""
    return crossval.CVRun(model, folds, repeats, params.load(TrainConfig, words))


def build_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all stages before training: six students of train and valid, two test students, two synthetic ones."""
    monkeypatch.setattr(local, "count_cores", lambda: 1)
    for batch_stage in (ingest, validate, normalize):
        batch_stage.main("tiny")
    for stage in (split, pairs, synthetic):
        stage.main()
