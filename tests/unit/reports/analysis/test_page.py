"""The analysis page: its numbers, its pictures, reproducible bytes."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.field import ROOT

from shoepair.models.config import ModelConfig
from shoepair.reports.analysis import page


def photo() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 255, (224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "reports/analysis"
    page.replace_analysis_folder(folder, ModelConfig(), photo())
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_folder_holds_the_page_its_numbers_and_its_pictures(written: Path) -> None:
    assert sorted(contents(written)) == ["analysis.json", "conv1d.png", "fields.png", "graph.png", "index.md"]
    assert [path.name for path in written.parent.iterdir()] == ["analysis"], "nothing is left beside it"


def test_page_shows_every_picture(written: Path) -> None:
    names = re.findall(r"!\[[^]]{30,}\]\((\w+\.png)\)", (written / "index.md").read_text())
    assert sorted(names) == ["conv1d.png", "fields.png", "graph.png"]
    for name in names:
        with Image.open(written / name) as picture:
            assert min(picture.size) > 200
            assert not {"Software", "Creation Time", "date"} & set(picture.info)


def test_numbers_of_the_issue_are_in_the_json(written: Path) -> None:
    analysis: dict[str, Any] = json.loads((written / "analysis.json").read_text())
    assert analysis["format"] == 1
    assert {name: rows[-1]["module"] for name, rows in analysis["parameters"].items()} == {
        "cnn": 1_260_918,
        "cnn_channel": 633_826,
    }
    fields = {field["layer"]: field["size"] for field in analysis["receptive_fields"]["computed"]}
    assert [fields[f"pool{i}"] for i in range(1, 5)] == [4, 10, 22, 46]
    assert analysis["receptive_fields"]["by_gradient"] == {"cnn": fields, "cnn_channel": fields}
    assert [row["field"] for row in analysis["stacked_conv1d"]] == [3, 5, 7, 9, 11]
    assert analysis["conv1d"]["forward"]["pre"] == [3, 0, -1, 1, -2]
    assert analysis["conv1d"]["forward"]["loss"] == pytest.approx(5.006715, abs=5e-7)
    assert analysis["conv1d"]["gradients"]["w1"] == pytest.approx([1.986614, 3.973229, 1.986614], abs=5e-7)
    assert analysis["gnn"]["forward"]["readout"] == [14, 6]
    assert analysis["gnn"]["gradients"]["logit"] == pytest.approx(0.99999999794, abs=5e-12)
    assert analysis["grid"]["graph"] == analysis["grid"]["convolution"]


def test_page_follows_the_config() -> None:
    text = page.page_markdown(ModelConfig(n=8, kernel_size=5, batch_norm=True))
    assert "n = 8 channels after the first convolution, kernel size K = 5, with batch norm" in text
    assert "sees 76 of 224 pixels" in text
    assert "| norm4 |" in text


def test_second_run_writes_the_same_bytes_and_replaces_the_folder(written: Path) -> None:
    before = contents(written)
    (written / "old.png").write_bytes(b"of an older version")
    rest = written.with_name(".analysis.part")  # left by a killed run
    rest.mkdir()
    (rest / "half.json").write_text("{")
    page.replace_analysis_folder(written, ModelConfig(), photo())
    assert contents(written) == before
    assert not rest.exists()


def test_failed_run_leaves_the_old_page(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(written)

    def fail() -> None:
        message = "no picture"
        raise RuntimeError(message)

    monkeypatch.setattr(page, "draw_gnn_figure", fail)
    with pytest.raises(RuntimeError, match="no picture"):
        page.replace_analysis_folder(written, ModelConfig(), photo())
    assert contents(written) == before


def test_analysis_imports_nothing_of_the_pipeline_but_the_networks() -> None:
    for path in (ROOT / "shoepair/reports/analysis").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("shoepair"):
                allowed = (
                    "shoepair.runtime",
                    "shoepair.models.base",
                    "shoepair.models.cnn",
                    "shoepair.models.config",
                    "shoepair.reports.analysis",
                )
                assert str(node.module).startswith(allowed), f"{path.name} imports {node.module}"


def test_networks_by_hand_use_no_autograd() -> None:
    for name in ("conv1d", "gnn", "numerics"):
        assert "import torch" not in (ROOT / f"shoepair/reports/analysis/{name}.py").read_text()
