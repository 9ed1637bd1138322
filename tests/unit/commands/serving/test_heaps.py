"""`shoepair heaps`: heaps of several students, put together as `check FOLDER` does, and how much of them is right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.settings import mark_as_project
from typer.testing import CliRunner

from shoepair.commands import main
from shoepair.commands.serving import heaps
from shoepair.data import parquet_files, photo_loading
from shoepair.models import registry
from shoepair.models.base import Model
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

ROOT = Path(__file__).parents[4]
STUDENTS = 11  # 66 shoes


class Brightness(Model):
    """Calls shoes the same the closer their brightness is."""

    def make_layers(self) -> None:
        pass

    def forward_single_view(self, images: torch.Tensor) -> torch.Tensor:
        left, right = (side.mean(dim=(1, 2, 3)) for side in images.chunk(2, dim=2))
        return torch.stack([torch.zeros_like(left), -(left - right).abs()], dim=1)


def split_rows(split: str) -> pd.DataFrame:
    names = [f"u{number:03}" for number in range(STUDENTS)]
    return pd.DataFrame({"batch": "a", "student": names, "row": range(STUDENTS), "split": split})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """A project whose shoes have a brightness of their pair's own; returns the rows that were read."""
    monkeypatch.chdir(tmp_path)
    mark_as_project()
    levels = np.arange(33 * 2, dtype=np.uint8).reshape(STUDENTS, 3, 2) // 2 * 5 + 40  # one for both shoes of a pair
    photos = np.broadcast_to(levels[..., None, None, None], (*levels.shape, 16, 16, 3))
    monkeypatch.setattr(photo_loading, "read_photos", lambda rows: photos[rows["row"].to_numpy()].copy())
    monkeypatch.setattr(registry, "load_model", lambda _: Brightness(edge=16))
    rows = split_rows("test_m")
    monkeypatch.setattr(parquet_files, "read_table", lambda *_: rows)
    return rows


@pytest.mark.usefixtures("project")
def test_shoes_that_the_model_tells_apart_are_put_together_right() -> None:
    entries = heaps.measure_heaps("siamese", 1)
    assert [(entry["shoes"], entry["sides_known"], entry["heaps"]) for entry in entries] == [
        (6, True, 100),
        (6, False, 100),
        (20, True, 100),
        (20, False, 100),
        (60, True, 33),
        (60, False, 33),
    ], "200 shoes are more than there are"
    assert {(entry["right"], entry["low"], entry["high"]) for entry in entries} == {(1.0, 1.0, 1.0)}


def test_model_that_sees_nothing_is_right_by_chance(project: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (STUDENTS, 3, 2, 16, 16, 3), np.uint8)
    monkeypatch.setattr(photo_loading, "read_photos", lambda rows: grey[: len(rows)])
    monkeypatch.setattr(heaps, "HEAP_SIZES", (6, 20))
    entries = heaps.measure_heaps("siamese", 1)
    known, unknown = (entry for entry in entries if entry["shoes"] == 6)
    assert 0.2 < known["right"] < 0.5, "three lefts and three rights: a third"
    assert 0.05 < unknown["right"] < 0.35, "six shoes: a fifth"
    assert entries == heaps.measure_heaps("siamese", 1), "other heaps with the same seed"
    assert len(project) == STUDENTS


def test_heaps_have_whole_pairs_of_several_students() -> None:
    for size in (6, 20, 60):
        for heap in heaps._draw_heaps(66, size, seed=1):
            assert len(set(heap.tolist())) == size
            pairs = np.unique(heap // 2, return_counts=True)
            assert (pairs[1] == 2).all()
            assert len(np.unique(heap // 6)) == -(-size // 6)


def test_students_of_train_are_in_no_heap(project: pd.DataFrame) -> None:
    project["split"] = "train"
    with pytest.raises(ShoepairError, match=r"^heaps: no students in valid, test_m and test_w"):
        heaps.measure_heaps("siamese", 1)


def test_command_prints_a_table_or_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()
    shutil.copy(ROOT / paths.PARAMS, paths.PARAMS)
    entry: dict[str, Any] = {"model": "cnn", "shoes": 20, "sides_known": False, "heaps": 100}
    entry |= {"right": 0.875, "low": 0.7, "high": 1.0}
    calls = []

    def measure(model_name: str, seed: int) -> list[dict[str, Any]]:
        calls.append((model_name, seed))
        return [entry]

    monkeypatch.setattr(heaps, "measure_heaps", measure)
    table = CliRunner().invoke(main.app, ["heaps", "cnn"])
    assert table.output.splitlines()[1].split("  ")[0] == "cnn"
    assert "87.5% (70.0 to 100.0)" in table.output
    assert json.loads(CliRunner().invoke(main.app, ["heaps", "cnn", "--json"]).output) == [entry]
    assert calls == [("cnn", 1)] * 2
