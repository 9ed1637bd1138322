"""Records of dvc.lock whose inputs are not those of the run: reported if that is certain, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.settings import write

from shoepair.commands import dvc_records
from shoepair.commands.history import stage_records
from shoepair.runtime import stage_notes
from shoepair.runtime.stage_notes import StageNote

RUN_CACHE = Path(".dvc/cache/runs")
A, B, C = "a" * 32, "b" * 32, "c" * 32
NOTE = StageNote("run", {"params.yaml": {"lr": 0.001, "train": {"edge": 16, "tta": True}}}, {"code": A}, {"model": C})
FIX = "`dvc repro --force --single-item train@cnn` runs it again"


def record(lr: str = "0.001", code: str = A, model: str = C, edge: int = 16) -> str:
    """Return the record of a stage, as DVC writes it."""
    return (
        f"{{cmd: run, deps: [{{path: code, md5: {code}}}], outs: [{{path: model, md5: {model}}}],"
        f" params: {{params.yaml: {{lr: {lr}, train: {{tta: true, edge: {edge}}}}}}}}}"
    )


def lock(text: str) -> bytes:
    return f"schema: '2.0'\nstages:\n  train@cnn: {text}\n".encode()


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with the note of a run, and no commit."""
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    stage_notes.write_note("train@cnn", NOTE)
    commit(monkeypatch)


def commit(monkeypatch: pytest.MonkeyPatch, *locks: tuple[int, str]) -> None:
    """Pretend that there are commits, by time in seconds before the note, with these records."""
    noted = int(stage_notes.note_path("train@cnn").stat().st_mtime)

    def iterate() -> Iterator[tuple[int, bytes]]:
        for seconds, text in locks:
            yield noted - seconds, lock(text)

    monkeypatch.setattr(dvc_records, "iter_committed_locks", iterate)


def problems(text: str) -> list[str]:
    write(dvc_records.LOCK_PATH, lock(text))
    return stage_records.find_wrong_records(RUN_CACHE)


def test_true_record_is_no_problem() -> None:
    assert problems(record()) == []
    assert problems(record(lr="1.0e-3")) == []


def test_every_wrong_input_is_named() -> None:
    assert problems(record("0.7", B, edge=32)) == [
        "train@cnn: dvc.lock has lr = 0.7 (params.yaml), but the stage ran with 0.001;"
        " train.edge = 32 (params.yaml), but the stage ran with 16; another code than the stage read; " + FIX
    ]


def test_nothing_is_said_without_a_note_or_a_record_or_of_another_run() -> None:
    assert problems(record("0.7", model=B)) == [], "restored from the run cache, or pulled"
    stage_notes.note_path("train@cnn").rename(stage_notes.note_path("other"))
    assert problems(record("0.7")) == [], "no note of this stage, no record of the other"
    dvc_records.LOCK_PATH.unlink()
    assert stage_records.find_wrong_records(RUN_CACHE) == []


def test_nothing_is_said_if_the_run_was_recorded_and_another_record_came_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commit(monkeypatch, (-10, record(code=A)))  # then a pull brought another version of the code, with the same result
    assert problems(record(code=B)) == []
    commit(monkeypatch)
    write(RUN_CACHE / "ab/abc/def", record("0.7"))  # that of today, which DVC keeps there too
    write(RUN_CACHE / "ab/abc/broken", f"{C}: [")
    assert problems(record("0.7")) != []
    write(RUN_CACHE / "ab/abd/def", record())
    assert problems(record("0.7")) == []


def test_nothing_is_said_of_a_record_that_is_older_than_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    commit(monkeypatch, (20, record("0.5")), (10, record("0.7")))  # an older commit was checked out
    assert problems(record("0.7")) == []
    for seconds in (-10, 0):  # git has whole seconds
        commit(monkeypatch, (20, record("0.5")), (seconds, record("0.7")))  # what is wrong was committed
        assert problems(record("0.7")) != []


def test_record_of_another_command_does_not_explain_it(monkeypatch: pytest.MonkeyPatch) -> None:
    commit(monkeypatch, (10, record().replace("cmd: run", "cmd: walk")))
    assert problems(record("0.7")) != []
