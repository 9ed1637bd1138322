"""docs/faults.md and docs/answers.md: every row names an existing test."""

from __future__ import annotations

import re

from support.field import ROOT

TEXT = (ROOT / "docs/faults.md").read_text()
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| input")]


ANSWERS = [line for line in (ROOT / "docs/answers.md").read_text().splitlines() if line.startswith("| ")][1:]


def test_every_row_names_an_existing_test() -> None:
    assert len(ROWS) > 40
    assert len(ANSWERS) >= 20
    for row in ROWS + ANSWERS:
        tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)
        assert tests, row
        for file, test in tests:
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(), row
