"""`shoepair export`: errors, and memory of the .npy export."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.settings import mark_as_project
from typer.testing import CliRunner

from shoepair.commands.main import app
from shoepair.commands.serving import exports
from shoepair.data import parquet_files, store
from shoepair.data.schemas import StudentSplits
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

FLOAT32 = 4


def export(*words: str) -> str:
    result = CliRunner().invoke(app, ["export", *words])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_onnx_without_its_extra_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ShoepairError, match=r"install it: python -m pip install -e '\.\[onnx\]'"):
        export("onnx")


@pytest.mark.parametrize(
    ("split", "message"), [("tests", "split 'tests', expected one of train"), ("valid", "no stud")]
)
def test_split_that_is_not_there_is_refused(project: Path, split: str, message: str) -> None:  # noqa: ARG001
    columns = {"batch": ["a"], "student": ["u001"], "row": [0], "split": ["train"]}
    parquet_files.write_table(paths.SPLIT, pd.DataFrame(columns), StudentSplits)
    with pytest.raises(ShoepairError, match=message):
        export("npy", "--split", split)


def test_npy_holds_one_student_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    students, edge = 60, 224
    names = [f"u{number:03}" for number in range(students)]
    grey = np.full((3, 2, edge, edge, 3), 200, np.uint8)
    store.write_store(paths.store_path("a"), names, (grey for _ in names), edge)
    columns = {"batch": ["a"] * students, "student": names, "row": range(students), "split": ["train"] * students}
    parquet_files.write_table(paths.SPLIT, pd.DataFrame(columns), StudentSplits)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path, shape = exports.export_npy("train")
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert path.stat().st_size > np.prod(shape) * FLOAT32 > 200e6
    assert growth < 60_000, "kilobytes"
