"""Photos are measured once: for the same store, code and parameters the measures are read back, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shoepair.data import store
from shoepair.evaluation import kept_measures, label_issues
from shoepair.runtime import paths, stage_inputs
from shoepair.runtime.file_digests import list_signatures, read_ignore_rules

EDGE = 40
STUDENTS = pd.DataFrame({"batch": ["a", "a", "b"], "student": ["u1", "u2", "u7"], "row": [0, 1, 0]})
measured: list[int] = []


def write_photos(batch: str, students: list[str], seed: int) -> None:
    photos = np.random.default_rng(seed).integers(0, 256, (len(students), 3, 2, EDGE, EDGE, 3), np.uint8)
    store.write_store(paths.store_path(batch), students, photos, EDGE)


@pytest.fixture(autouse=True)
def _class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos("a", ["u1", "u2"], 1)
    write_photos("b", ["u7"], 2)
    measure = label_issues.measure_student
    measured.clear()

    def watched(photos: np.ndarray) -> dict[str, np.ndarray]:
        measured.append(1)
        return measure(photos)

    monkeypatch.setattr(label_issues, "measure_student", watched)


def run(monkeypatch: pytest.MonkeyPatch, rows: pd.DataFrame = STUDENTS, values: int = 1) -> tuple[int, np.ndarray]:
    """Measure as in a stage that depends on the stores; return how many students were measured, and all measures."""
    files = list_signatures(paths.STORE_FOLDER, read_ignore_rules())
    inputs = stage_inputs.StageInputs(
        "suspects", values={paths.PARAMS: {"seed": values}}, files={paths.STORE_FOLDER: files}
    )
    monkeypatch.setattr(stage_inputs, "_current", inputs)
    measured.clear()
    found = [
        np.concatenate([array.ravel() for array in student.values()]) for student in kept_measures.iter_measures(rows)
    ]
    return len(measured), np.stack(found)


def test_only_what_is_new_or_changed_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count, first = run(monkeypatch)
    assert count == 3
    count, again = run(monkeypatch)
    assert count == 0
    assert np.array_equal(first, again)
    assert run(monkeypatch, values=2)[0] == 3, "another parameter, or version of a library"
    assert run(monkeypatch, STUDENTS[::-1], values=2)[0] == 2, "another order within batch a"
    run(monkeypatch)
    write_photos("b", ["u7"], 3)
    capsys.readouterr()
    assert run(monkeypatch)[0] == 1
    assert capsys.readouterr().out == "checkpoints/suspects/b: of other photos or code; batch 'b' is measured again\n"


def test_damaged_file_is_told_and_that_of_a_removed_batch_deleted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, first = run(monkeypatch)
    path = paths.kept_measures_path("a")
    path.write_bytes(path.read_bytes()[:-9])
    count, again = run(monkeypatch)
    assert count == 2
    assert np.array_equal(first, again)
    assert capsys.readouterr().out == "checkpoints/suspects/a: damaged; batch 'a' is measured again\n"
    run(monkeypatch, STUDENTS[:2])
    assert sorted(paths.KEPT_MEASURES_FOLDER.iterdir()) == [path]


def test_outside_of_a_stage_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_inputs, "_current", stage_inputs.StageInputs())
    assert len(list(kept_measures.iter_measures(STUDENTS))) == 3
    assert not paths.KEPT_MEASURES_FOLDER.exists()
