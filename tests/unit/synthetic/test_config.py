"""The limits of the parameters of synthetic."""

from __future__ import annotations

from typing import Any

import pytest

from shoepair.runtime import params
from shoepair.runtime.errors import ShoepairError
from shoepair.synthetic.config import Synthetic

GOOD: dict[type[params.Section], dict[str, Any]] = {Synthetic: {"students": 100_000, "seed": 0}}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (Synthetic, "students", 0),
        (Synthetic, "students", 100_001),
        (Synthetic, "seed", -1),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    with pytest.raises(ShoepairError, match=rf"^\S*{name}: "):
        section(**{**GOOD[section], name: value})


def test_value_within_its_range_is_kept() -> None:
    for section, values in GOOD.items():
        made = section(**values)
        assert {name: getattr(made, name) for name in values} == values
