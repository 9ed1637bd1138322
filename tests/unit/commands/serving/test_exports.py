"""`shoepair export`: what other programs read is what the pipeline has."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from shoepair.commands.main import app
from shoepair.commands.serving import exports
from shoepair.data import store, tables
from shoepair.data.schemas import Split
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

FLOAT32 = 4


def export(*words: str) -> str:
    done = CliRunner().invoke(app, ["export", *words])
    if done.exception is not None:
        raise done.exception
    return done.output


def test_onnx_without_its_extra_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ShoepairError, match=r"install it: python -m pip install 'shoepair\[onnx\]'"):
        export("onnx")


@pytest.mark.parametrize(
    ("split", "message"), [("tests", "split 'tests', expected one of train"), ("valid", "no stud")]
)
def test_split_that_is_not_there_is_refused(project: Path, split: str, message: str) -> None:  # noqa: ARG001
    columns = {"batch": ["a"], "student": ["u001"], "row": [0], "split": ["train"]}
    tables.write(paths.SPLIT, pd.DataFrame(columns), Split)
    with pytest.raises(ShoepairError, match=message):
        export("npy", "--split", split)


def test_npy_holds_one_student_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    students, edge = 60, 224
    names = [f"u{number:03}" for number in range(students)]
    grey = np.full((3, 2, edge, edge, 3), 200, np.uint8)
    store.write(paths.store("a"), names, (grey for _ in names), edge)
    columns = {"batch": ["a"] * students, "student": names, "row": range(students), "split": ["train"] * students}
    tables.write(paths.SPLIT, pd.DataFrame(columns), Split)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path, shape = exports.npy("train")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert path.stat().st_size > np.prod(shape) * FLOAT32 > 200e6
    assert grown < 60_000, "kilobytes"
