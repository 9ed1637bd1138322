"""Stage audit on a class that is too small for the probes."""

from __future__ import annotations

import pytest

from shoepair.runtime import json_files, paths
from stages import audit, ingest, normalize, pairs, split, validate


@pytest.mark.usefixtures("project")
def test_stage_writes_the_leakage_report(capsys: pytest.CaptureFixture[str]) -> None:
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    for step in (split, pairs, audit):
        step.main()
    assert "too few students" in capsys.readouterr().out
    assert json_files.read_json(paths.LEAKAGE_REPORT, "") == {}
