"""The nine packages of shoepair, and its public names."""

from __future__ import annotations

import pytest
from support.field import ROOT


def test_shoepair_has_nine_packages_and_nothing_else() -> None:
    names = {path.relative_to(ROOT / "shoepair").parts[0] for path in (ROOT / "shoepair").rglob("*.py")}
    packages = {"runtime", "data", "ingestion", "models", "training", "synthetic", "evaluation", "reports", "commands"}
    assert names == {"__init__.py", "__main__.py", *packages}


def test_every_public_name_exists_and_no_other() -> None:
    import shoepair

    assert all(callable(getattr(shoepair, name)) for name in shoepair.PUBLIC)
    with pytest.raises(AttributeError, match="has no attribute 'load_splits'"):
        _ = shoepair.load_splits
