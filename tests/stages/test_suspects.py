"""Whoever mislabelled photos stands at the top of the list; nobody leaves the class for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support.commands import CLI, Run

from shoepair.data import schemas, tables
from shoepair.evaluation import label_issues
from shoepair.ingestion import decode_all, scan
from shoepair.runtime import paths, storage
from shoepair.synthetic import sample_class
from stages import ingest, normalize, split, validate
from stages import suspects as stage

STUDENTS, EDGE, TOP = 60, 64, 10
Class = NDArray[np.uint8]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Class:
    """(60, 3, 2, 64, 64, 3): sixty drawn students."""
    folder = tmp_path_factory.mktemp("drawn")
    sample_class.draw_class(folder, STUDENTS - 2, 1, 3)
    rows = scan.scan(folder).sort_values(["student", "pair", "side"])
    decoded = decode_all.read_all(storage.listed(folder, rows), EDGE)
    return np.stack(list(decode_all.students(decoded, EDGE)))


def ranked(images: Class) -> pd.DataFrame:
    students = pd.DataFrame({"batch": "b", "student": [f"u{number:03}" for number in range(len(images))]})
    return schemas.Suspects.validate(label_issues.rank(students, images))


@pytest.mark.usefixtures("project")
def test_few_students_are_not_ranked(run: Run) -> None:
    for each in (ingest, validate, normalize):
        each.main("tiny")
    split.main()
    stage.main()
    assert tables.read(paths.SUSPECTS, schemas.Suspects).empty
    assert Path("reports/suspects.png").stat().st_size > 100
    assert "too few students" in run(*CLI, "suspects").stdout


@pytest.mark.usefixtures("project")
def test_command_lists_the_first_ones(run: Run, drawn: Class) -> None:
    assert "error: data/suspects.parquet: missing" in run(*CLI, "suspects", status=1).stderr
    tables.write(paths.SUSPECTS, ranked(drawn[:12]), schemas.Suspects)
    lines = run(*CLI, "suspects", "--top", "4").stdout.splitlines()
    assert len(lines) == 5
    assert lines[0].split() == [
        "batch",
        "student",
        "why",
        "rank",
        "suspicion",
        "mispaired",
        "swapped",
        "not",
        "a",
        "shoe",
    ]
    rows = json.loads(run(*CLI, "suspects", "--json").stdout)
    assert [row["rank"] for row in rows] == list(range(1, 11))
