"""The tiny project before training, and plans for its cross-validation."""

from __future__ import annotations

import pytest

from shoepair.runtime import params
from shoepair.runtime.parallel import local
from shoepair.training import crossval
from shoepair.training.config import TrainConfig
from stages import ingest, normalize, pairs, split, synthetic, validate


def plan(model: str, folds: int, repeats: int, words: dict[str, str]) -> crossval.Plan:
    """With some parameters of its own."""
    return crossval.Plan(model, folds, repeats, params.load(TrainConfig, words))


def build_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six students of train and valid, two test students, two drawn ones, made in this process alone."""
    monkeypatch.setattr(local, "count_cores", lambda: 1)
    for each in (ingest, validate, normalize):
        each.main("tiny")
    for stage in (split, pairs, synthetic):
        stage.main()
