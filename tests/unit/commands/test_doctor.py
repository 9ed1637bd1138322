"""What `shoepair doctor` puts right and checks where neither git nor DVC is needed for it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from support.field import edit
from support.settings import write, write_settings

from shoepair.commands import doctor, dvc_records
from shoepair.data import documents
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

LOCK = "stages: {ingest@a: {outs: [{path: data/table/a.parquet, md5: '33'}]}}\n"


@dataclass
class Process:
    """A process as psutil shows it."""

    pid: int
    given: dict[str, str]
    started_by: list[str]
    ended: list[str] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        if not self.given:
            raise psutil.AccessDenied(self.pid)
        return self.given

    def parents(self) -> list[Process]:
        return [Process(1, {}, [])] if not self.started_by else [Process(2, {}, []), Process(3, {}, self.started_by)]

    def cmdline(self) -> list[str]:
        return self.started_by

    def terminate(self) -> None:
        self.ended.append("terminated")

    def kill(self) -> None:
        self.ended.append("killed")

    def __hash__(self) -> int:
        return self.pid


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(psutil, "process_iter", lambda *_: iter(()))


def test_nothing_is_done_where_nothing_was_killed() -> None:
    write_settings("a")
    lock = write(dvc_records.LOCK, LOCK)
    notes = [write(path, "{}") for path in doctor.READERS]
    assert doctor.repair() == []
    assert lock.read_text() == LOCK
    assert all(note.is_file() for note in notes)


def test_class_that_was_being_added_is_taken_back_before_half_written_files_are_swept() -> None:
    write_settings("a")
    write(paths.raw("late") / "train/u001_1_left_m.jpg", b"x")
    documents.write_json(paths.JOURNAL, {"batch": "late", "process": os.getpid()})
    half = [write(Path(name), b"x") for name in ("data/table/.a.parquet.x1.part", "metrics/.split.json.y2.part")]
    whole = [write(Path(name), b"x") for name in ("data/table/a.parquet", "docs/.notes.part", "data/table/a.part")]
    assert doctor.repair() == [
        "batch 'late': its `shoepair add` was killed; data/raw/late is taken back, add it again",
        *[f"{path}: half-written by a killed stage, deleted" for path in half],
    ]
    assert [path.exists() for path in (*half, *whole)] == [False] * 2 + [True] * 3
    assert not paths.raw("late").exists()


def test_stage_is_stopped_only_if_it_is_of_this_project_and_no_dvc_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = {"DVC_STAGE": "train@cnn", "DVC_ROOT": str(tmp_path)}
    orphans = [Process(11, here, []), Process(12, here | {"DVC_ROOT": str(tmp_path / ".dvc/tmp/exps/x")}, ["sh"])]
    others = [
        Process(21, here, ["/usr/bin/dvc", "repro"]),
        Process(22, here, ["python", "-m", "dvc", "repro"]),
        Process(23, here | {"DVC_ROOT": f"{tmp_path}-other"}, []),
        Process(24, {"DVC_ROOT": str(tmp_path)}, []),
        Process(25, {}, []),
        Process(os.getpid(), here, []),
    ]
    monkeypatch.setattr(psutil, "process_iter", lambda *_: iter([*others, *orphans]))
    # The first orphan does not end by itself.
    monkeypatch.setattr(psutil, "wait_procs", lambda waited, _: ([], [each for each in waited if each.pid == 11]))
    assert doctor.repair() == ["stage train@cnn: still ran, though its `dvc` was killed; stopped"]
    assert [each.ended for each in orphans] == [["terminated", "killed"], ["terminated"]]
    assert [each.ended for each in others] == [[]] * 6


def test_experiment_that_has_ended_is_none_that_was_killed() -> None:
    note = doctor.EXPERIMENT / "workspace.run"
    documents.write_json(note, {"status": 3, "name": "done"})
    assert doctor.repair() == []
    assert note.is_file()
    note.write_text("{")
    with pytest.raises(ShoepairError, match=r"workspace\.run: not a JSON object\ndelete \.dvc/tmp/exps/run/workspace"):
        doctor.repair()


def test_batch_has_photos_where_a_folder_a_record_or_a_drawing_gives_them() -> None:
    write_settings("here", "recorded", "drawn", samples=("drawn",))
    paths.raw("here").mkdir(parents=True)
    write(dvc_records.file("recorded"), "outs: []\n")
    assert doctor.doctor() == [
        "params.yaml: in order",
        "data/batches.yaml: in order, with photos for here, recorded, drawn",
    ]


def test_batches_without_photos_are_counted_and_named() -> None:
    write_settings("a", "b", "c")
    paths.raw("b").mkdir(parents=True)
    with pytest.raises(ShoepairError, match=r"^data/batches\.yaml: 2 of 3 batches have no photos\n") as error:
        doctor.doctor()
    assert error.value.problems == tuple(
        f"{name}: no folder data/raw/{name} and no sample class of this name" for name in ("a", "c")
    )
    write_settings()
    with pytest.raises(ShoepairError, match=r"data/batches\.yaml: no batches\nput the name of a folder of data/raw"):
        doctor.doctor()


def test_parameters_are_checked_before_the_list() -> None:
    write_settings()
    edit(paths.PARAMS, "batch_size: 12 ", "batch_size: 13 ")
    with pytest.raises(ShoepairError, match=r"(?s)^params\.yaml: 1 problem\n  batch_size: 13, expected "):
        doctor.doctor()
