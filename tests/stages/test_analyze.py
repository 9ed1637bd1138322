"""The stage `analyze`: output and reproducible bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoepair.runtime import paths
from stages import analyze


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_stage_writes_the_page(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analyze.main()
    before = contents(project / paths.ANALYSIS_FOLDER)
    analyze.main()
    assert contents(project / paths.ANALYSIS_FOLDER) == before
    assert "analyze: reports/analysis/index.md written, for n = 4, K = 3 and 16 pixels" in capsys.readouterr().out
