"""Limits of the parameters of synthetic."""

from __future__ import annotations

from typing import Any

import pytest
from support.sections import Good, assert_kept, assert_refused

from shoepair.runtime import params
from shoepair.synthetic.config import SyntheticConfig

GOOD: Good = {SyntheticConfig: {"students": 100_000, "seed": 0}}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (SyntheticConfig, "students", 0),
        (SyntheticConfig, "students", 100_001),
        (SyntheticConfig, "seed", -1),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    assert_refused(GOOD, section, name, value)


def test_value_within_its_range_is_kept() -> None:
    assert_kept(GOOD)
