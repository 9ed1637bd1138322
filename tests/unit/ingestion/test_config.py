"""The limits of the parameters of validate, normalize and split."""

from __future__ import annotations

from typing import Any

import pytest
from support.sections import Good, assert_kept, assert_refused

from shoepair.ingestion.config import NormalizeConfig, SplitConfig, ValidateConfig
from shoepair.runtime import params

GOOD: Good = {
    SplitConfig: {"salt": "é" * 32, "valid": 0.2, "max_hash_distance": 25},
    NormalizeConfig: {"edge": 224},
    ValidateConfig: {
        "on_invalid": "quarantine",
        "max_quarantined": 1.0,
        "blurred": 0.0,
        "dark": 1.0,
        "overexposed": 0.5,
        "low_contrast": 0.5,
        "min_size": 3.0,
    },
}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (SplitConfig, "salt", ""),
        (SplitConfig, "salt", "é" * 33),
        (SplitConfig, "valid", 0.0),
        (SplitConfig, "valid", 1.0),
        (SplitConfig, "max_hash_distance", 26),
        (SplitConfig, "max_hash_distance", 1.5),
        (NormalizeConfig, "edge", 225),
        (NormalizeConfig, "edge", 1040),
        (ValidateConfig, "on_invalid", "drop"),
        (ValidateConfig, "max_quarantined", 1.1),
        (ValidateConfig, "min_size", float("inf")),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    assert_refused(GOOD, section, name, value)


def test_value_within_its_range_is_kept() -> None:
    assert_kept(GOOD)
