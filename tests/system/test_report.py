"""The report's page: what it says, held against the numbers it was made from; what it says where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import Run
from support.field import outputs
from support.pages import Reader

from shoepair.reports.formatting import PAGE_PATH, examples_path
from shoepair.runtime import paths


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_stage_writes_the_same_bytes_again(trained: Path, run: Run) -> None:
    first = outputs(trained)
    assert {
        "reports/index.html",
        "reports/photos.html",
        "plots/examples/cnn.jpg",
        "reports/croissant.json",
    } <= first.keys()
    for path in (PAGE_PATH, examples_path("cnn")):
        path.unlink()
    told = run("python", "-m", "stages.report").stdout
    assert "2 models, 8 students" in told
    assert outputs(trained) == first
    headline = json.loads(paths.EVALUATION_METRICS.read_text())
    reader = Reader(PAGE_PATH.read_text())
    rows = {(row[0], row[1]): row for row in reader.tables["Accuracy of every model, with 95% intervals"]}
    for model in ("cnn", "cnn_channel"):
        assert rows[model, "men's shoes"][5].startswith(f"{headline[model]['test_m']:.1%} ")
    assert "No ranking: it needs at least ten students." in reader.words
