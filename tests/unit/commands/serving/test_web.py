"""`shoepair serve` over HTTP: one address, its limits, and that nothing of a photo is written or logged."""

from __future__ import annotations

from support.field import ROOT


def test_page_is_part_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert '"shoepair.commands.serving" = ["static/*"]' in text
    assert len(list((ROOT / "shoepair/commands/serving/static").glob("page.*"))) == 3
