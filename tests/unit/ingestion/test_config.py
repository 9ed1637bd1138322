"""The limits of the parameters of validate, normalize and split."""

from __future__ import annotations

from typing import Any

import pytest
from support.sections import Good, assert_kept, assert_refused

from shoepair.ingestion.config import Normalize, Split, Validate
from shoepair.runtime import params

GOOD: Good = {
    Split: {"salt": "é" * 32, "valid": 0.2, "duplicate_bits": 25},
    Normalize: {"edge": 224},
    Validate: {
        "on_invalid": "quarantine",
        "max_quarantined": 1.0,
        "blurred": 0.0,
        "dark": 1.0,
        "overexposed": 0.5,
        "low_contrast": 0.5,
        "tiny": 3.0,
    },
}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (Split, "salt", ""),
        (Split, "salt", "é" * 33),
        (Split, "valid", 0.0),
        (Split, "valid", 1.0),
        (Split, "duplicate_bits", 26),
        (Split, "duplicate_bits", 1.5),
        (Normalize, "edge", 225),
        (Normalize, "edge", 1040),
        (Validate, "on_invalid", "drop"),
        (Validate, "max_quarantined", 1.1),
        (Validate, "tiny", float("inf")),
    ],
)
def test_value_out_of_its_range_is_refused_by_name(section: type[params.Section], name: str, value: Any) -> None:
    assert_refused(GOOD, section, name, value)


def test_value_within_its_range_is_kept() -> None:
    assert_kept(GOOD)
