"""Checks of the sections of params.yaml, with valid and invalid values."""

from __future__ import annotations

from typing import Any

import pytest

from shoepair.runtime import params
from shoepair.runtime.errors import ShoepairError

Good = dict[type[params.Section], dict[str, Any]]


def assert_refused(good: Good, section: type[params.Section], name: str, value: Any) -> None:
    """Check that a section with this one invalid value raises an error that names the parameter."""
    with pytest.raises(ShoepairError, match=rf"^\S*{name}: "):
        section(**{**good[section], name: value})


def assert_kept(good: Good) -> None:
    """Check that every section has the values that it is made from."""
    for section, values in good.items():
        made = section(**values)
        assert {name: getattr(made, name) for name in values} == values
