"""Limits of the parameters of audit, evaluate and crossval."""

from __future__ import annotations

from typing import Any

import pytest
from support.sections import Good, assert_kept, assert_refused

from shoepair.evaluation.config import CrossvalConfig, EvaluateConfig, FoldConfig
from shoepair.runtime import params

FOLDS = {"folds": 2, "repeats": 1, "resamples": 100}
GOOD: Good = {
    EvaluateConfig: {"seed": 0, "resamples": 100, "threads": 1, "models": ["cnn"], "pretrained_models": []},
    FoldConfig: FOLDS,
    CrossvalConfig: FOLDS | {"models": []},
}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (EvaluateConfig, "seed", -1),
        (EvaluateConfig, "resamples", 99),
        (EvaluateConfig, "threads", 0),
        (EvaluateConfig, "models", []),
        (EvaluateConfig, "models", ["cnn", "cnn"]),
        (FoldConfig, "folds", 1),
        (FoldConfig, "repeats", 0),
        (CrossvalConfig, "models", "cnn"),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    assert_refused(GOOD, section, name, value)


def test_value_within_its_range_is_kept() -> None:
    assert_kept(GOOD)
