"""Counts in messages agree with their nouns: "1 file", never "1 files"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from support.field import ROOT

NOUNS = "files|photos|students|pairs|problems|batches|places|models|folds|stages|commits|versions|words|rows"
COUNTED = re.compile(rf" (\w+ )?({NOUNS})\b")
COUNT = re.compile(r"len\(.*\)|\w*count\w*|files|photos|students|.*\[.*(count|students|files).*\]")
# Six photos of each student; the word for one stands beside it; a network has seven stages.
EXEMPT = {"stages/sample.py", "shoepair/commands/reproduction/running.py", "shoepair/models/efficientnet.py"}
# Limits, by what stands before them.
LIMITS = re.compile(r"(expected|expected at least|more than|fewer than|at most|first|of|{) ?$")


def wrong_counts(path: Path) -> Iterator[str]:
    """Yield each number in a text of a module that is followed by a noun in the plural."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.JoinedStr):
            continue
        for before, value, behind in zip(["", *node.values], node.values, node.values[1:], strict=False):
            text = before.value if isinstance(before, ast.Constant) else ""
            if not isinstance(value, ast.FormattedValue) or not isinstance(behind, ast.Constant):
                continue
            name = ast.unparse(value.value)
            if COUNT.fullmatch(name) and COUNTED.match(str(behind.value)) and not LIMITS.search(str(text)):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {{{name}}}{behind.value!s}"


def test_no_text_counts_one_file_as_files() -> None:
    paths = [path for folder in ("shoepair", "stages") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(paths) > 100
    found = {path.relative_to(ROOT).as_posix(): list(wrong_counts(path)) for path in paths}
    assert {path for path, lines in found.items() if lines} == EXEMPT, found


def test_wrong_count_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('f"{len(rows)} files, expected {len(rows)} files; {MAX} photos; {count} synthetic students"\n')
    assert [line.partition(": ")[2] for line in _relative(path)] == [
        "{len(rows)} files, expected ",
        "{count} synthetic students",
    ]


def _relative(path: Path) -> list[str]:
    import unittest.mock

    with unittest.mock.patch(f"{__name__}.ROOT", path.parent):
        return list(wrong_counts(path))
