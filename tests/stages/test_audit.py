"""Every leak that is planted is caught, by the probe that looks there; pairs that are sound pass."""

from __future__ import annotations

import pytest

from shoepair.data import documents
from shoepair.runtime import paths
from stages import audit as stage
from stages import ingest, normalize, split, validate
from stages import pairs as pairs_stage


@pytest.mark.usefixtures("project")
def test_stage_writes_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    for each in (ingest, validate, normalize):
        each.main("tiny")
    split.main()
    pairs_stage.main()
    stage.main()
    assert "too few students" in capsys.readouterr().out
    assert documents.read_json(paths.AUDIT, "") == {}
