"""The limits of the parameters of audit, evaluate and crossval."""

from __future__ import annotations

from typing import Any

import pytest

from shoepair.evaluation.config import Crossval, Evaluate, Folds
from shoepair.runtime import params
from shoepair.runtime.errors import ShoepairError

FOLDS = {"folds": 2, "repeats": 1, "resamples": 100}
GOOD: dict[type[params.Section], dict[str, Any]] = {
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
    with pytest.raises(ShoepairError, match=rf"^\S*{name}: "):
        section(**{**GOOD[section], name: value})


def test_value_within_its_range_is_kept() -> None:
    for section, values in GOOD.items():
        made = section(**values)
        assert {name: getattr(made, name) for name in values} == values
