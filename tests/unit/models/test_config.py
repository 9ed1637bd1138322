"""The limits of the architecture parameters."""

from __future__ import annotations

from typing import Any

import pytest
from support.sections import Good, assert_kept, assert_refused

from shoepair.models.config import ModelConfig
from shoepair.runtime import params

GOOD: Good = {
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
        (ModelConfig, "edge", 20),
        (ModelConfig, "tta", "yes"),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    assert_refused(GOOD, section, name, value)


def test_value_within_its_range_is_kept() -> None:
    assert_kept(GOOD)
