"""Cross-validation: nobody is judged by a model that saw them, and nothing is trained twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from support import folds

from shoepair.data import parquet_files, schemas
from shoepair.runtime import parallel, params, paths
from shoepair.runtime.parallel import local, ray_cluster
from shoepair.training import crossval
from shoepair.training.config import TrainConfig


def test_folds_on_ray_and_in_other_processes_are_those_of_this_one(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paired.is_dir()
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    rows, words = parquet_files.read_table(paths.PAIRS, schemas.Pairs), {"epochs": "1", "train.threads": "1"}
    longer = params.load(TrainConfig, words | {"epochs": "2"})
    plans = [folds.plan("histogram", 3, 1, words), folds.plan("siamese", 3, 2, words)]
    plans.append(crossval.CVRun("siamese", 3, 1, longer, (("epochs", "2"),)))
    here, lines = crossval.cross_validate(plans, rows, lambda _line: None), list[str]()
    shutil.rmtree("checkpoints")
    monkeypatch.setattr(local, "count_cores", lambda: 2)  # two processes
    beside = crossval.cross_validate(plans, rows, lambda _line: None)
    shutil.rmtree("checkpoints")
    monkeypatch.setenv(parallel.ENGINE_VARIABLE, "ray")
    monkeypatch.delenv(ray_cluster.ADDRESS_VARIABLE, raising=False)
    try:
        there = crossval.cross_validate(plans, rows, lines.append)
    finally:
        ray.shutdown()
    for each in plans:
        pd.testing.assert_frame_equal(here[each], beside[each], check_exact=True)
        pd.testing.assert_frame_equal(here[each], there[each], check_exact=True)
    assert [line.partition(",")[0] for line in lines] == [
        *(f"histogram: {number} of 3 folds" for number in (1, 2, 3)),
        *(f"siamese: {number} of 6 folds" for number in range(1, 7)),
        *(f"siamese epochs=2: {number} of 3 folds" for number in (1, 2, 3)),
    ]
    assert {path.suffix for path in Path("checkpoints").rglob("*.*")} == {".parquet"}
