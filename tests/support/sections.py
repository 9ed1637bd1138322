"""What is tried of every section of params.yaml: values out of their range, and values within."""

from __future__ import annotations

from typing import Any

import pytest

from shoepair.runtime import params
from shoepair.runtime.errors import ShoepairError

Good = dict[type[params.Section], dict[str, Any]]


def assert_refused(good: Good, section: type[params.Section], name: str, value: Any) -> None:
    """With this one value changed the section is refused, and the parameter named."""
    with pytest.raises(ShoepairError, match=rf"^\S*{name}: "):
        section(**{**good[section], name: value})


def assert_kept(good: Good) -> None:
    """Every section has the values that it is made from."""
    for section, values in good.items():
        made = section(**values)
        assert {name: getattr(made, name) for name in values} == values
