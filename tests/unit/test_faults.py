"""docs/faults.md: every row names a test that is there."""

from __future__ import annotations

import re

from support.field import ROOT

TEXT = (ROOT / "docs/faults.md").read_text()
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| input")]


def test_every_row_names_a_test_that_is_there() -> None:
    assert len(ROWS) > 40
    for row in ROWS:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(), row
