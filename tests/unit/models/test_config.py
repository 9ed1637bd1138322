"""The limits of what a network is built from."""

from __future__ import annotations

from typing import Any

import pytest

from shoepair.models.config import ModelConfig
from shoepair.runtime import params
from shoepair.runtime.errors import ShoepairError

GOOD: dict[type[params.Section], dict[str, Any]] = {
    ModelConfig: {"n": 1, "kernel_size": 5, "batch_norm": True, "dropout": 0.0, "edge": 16, "tta": True},
}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (ModelConfig, "n", 0),
        (ModelConfig, "kernel_size", 4),
        (ModelConfig, "kernel_size", 7),
        (ModelConfig, "batch_norm", 1),
        (ModelConfig, "dropout", 1.0),
        (ModelConfig, "edge", 24),
        (ModelConfig, "tta", "yes"),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    with pytest.raises(ShoepairError, match=rf"^\S*{name}: "):
        section(**{**GOOD[section], name: value})


def test_value_within_its_range_is_kept() -> None:
    for section, values in GOOD.items():
        made = section(**values)
        assert {name: getattr(made, name) for name in values} == values
