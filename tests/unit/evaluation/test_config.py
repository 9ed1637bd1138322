"""The limits of the parameters of audit, evaluate and crossval."""

from __future__ import annotations

from typing import Any

import pytest
from support.sections import Good, assert_kept, assert_refused

from shoepair.evaluation.config import Crossval, Evaluate, Folds
from shoepair.runtime import params

FOLDS = {"folds": 2, "repeats": 1, "resamples": 100}
GOOD: Good = {
    Evaluate: {"seed": 0, "resamples": 100, "threads": 1, "models": ["cnn"]},
    Folds: FOLDS,
    Crossval: FOLDS | {"models": []},
}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (Evaluate, "seed", -1),
        (Evaluate, "resamples", 99),
        (Evaluate, "threads", 0),
        (Evaluate, "models", []),
        (Evaluate, "models", ["cnn", "cnn"]),
        (Folds, "folds", 1),
        (Folds, "repeats", 0),
        (Crossval, "models", "cnn"),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    assert_refused(GOOD, section, name, value)


def test_value_within_its_range_is_kept() -> None:
    assert_kept(GOOD)
