"""`shoepair doctor`: repairs and checks that need neither git nor DVC."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from support.field import edit
from support.settings import write, write_settings

from shoepair.commands import doctor, dvc_records
from shoepair.data import json_files
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

LOCK = "stages: {ingest@a: {outs: [{path: data/manifest/a.parquet, md5: '33'}]}}\n"


@dataclass
class Process:
    """A process as psutil shows it."""

    pid: int
    variables: dict[str, str]
    command_line: list[str]
    ended: list[str] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        if not self.variables:
            raise psutil.AccessDenied(self.pid)
        return self.variables

    def parents(self) -> list[Process]:
        if not self.command_line:
            return [Process(1, {}, [])]
        return [Process(2, {}, []), Process(3, {}, self.command_line)]

    def cmdline(self) -> list[str]:
        return self.command_line

    def terminate(self) -> None:
        self.ended.append("terminated")

    def kill(self) -> None:
        self.ended.append("killed")

    def __hash__(self) -> int:
        return self.pid


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(psutil, "process_iter", lambda *_: iter(()))


def test_nothing_is_repaired_if_nothing_was_killed() -> None:
    write_settings("a")
    lock = write(dvc_records.LOCK_PATH, LOCK)
    rwlocks = [write(path, "{}") for path in doctor.RWLOCKS]
    assert doctor.repair_project() == []
    assert lock.read_text() == LOCK
    assert all(path.is_file() for path in rwlocks)


def test_half_added_batch_is_removed_before_partial_files() -> None:
    write_settings("a")
    write(paths.raw_path("late") / "train/u001_1_left_m.jpg", b"x")
    json_files.write_json(paths.ADD_JOURNAL, {"batch": "late", "process": os.getpid()})
    partial = [write(Path(name), b"x") for name in ("data/manifest/.a.parquet.x1.part", "metrics/.split.json.y2.part")]
    others = ("data/manifest/a.parquet", "docs/.notes.part", "data/manifest/a.part")
    complete = [write(Path(name), b"x") for name in others]
    assert doctor.repair_project() == [
        "batch 'late': its `shoepair add` was killed; data/raw/late was removed, add it again",
        *[f"{path}: half-written by a killed stage, deleted" for path in partial],
    ]
    assert [path.exists() for path in (*partial, *complete)] == [False] * 2 + [True] * 3
    assert not paths.raw_path("late").exists()


def test_stage_is_stopped_only_if_it_is_of_this_project_and_has_no_dvc_parent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables = {"DVC_STAGE": "train@cnn", "DVC_ROOT": str(tmp_path)}
    orphans = [
        Process(11, variables, []),
        Process(12, variables | {"DVC_ROOT": str(tmp_path / ".dvc/tmp/exps/x")}, ["sh"]),
    ]
    others = [
        Process(21, variables, ["/usr/bin/dvc", "repro"]),
        Process(22, variables, ["python", "-m", "dvc", "repro"]),
        Process(23, variables | {"DVC_ROOT": f"{tmp_path}-other"}, []),
        Process(24, {"DVC_ROOT": str(tmp_path)}, []),
        Process(25, {}, []),
        Process(os.getpid(), variables, []),
    ]
    monkeypatch.setattr(psutil, "process_iter", lambda *_: iter([*others, *orphans]))
    # The first orphan does not end by itself.
    monkeypatch.setattr(
        psutil, "wait_procs", lambda waited, _: ([], [process for process in waited if process.pid == 11])
    )
    assert doctor.repair_project() == ["stage train@cnn: still running although its `dvc` was killed; stopped"]
    assert [process.ended for process in orphans] == [["terminated", "killed"], ["terminated"]]
    assert [process.ended for process in others] == [[]] * 6


def test_finished_experiment_is_not_a_killed_one() -> None:
    state = doctor.EXPERIMENT_STATE / "workspace.run"
    json_files.write_json(state, {"status": 3, "name": "done"})
    assert doctor.repair_project() == []
    assert state.is_file()
    state.write_text("{")
    with pytest.raises(ShoepairError, match=r"workspace\.run: not a JSON object\ndelete \.dvc/tmp/exps/run/workspace"):
        doctor.repair_project()


def test_batch_has_photos_by_folder_dvc_record_or_synthetic_class() -> None:
    write_settings("present", "recorded", "drawn", synthetic_classes=("drawn",))
    paths.raw_path("present").mkdir(parents=True)
    write(dvc_records.dvc_file_path("recorded"), "outs: []\n")
    assert doctor.check_configuration() == [
        "params.yaml: valid",
        "data/batches.yaml: valid, with photos for present, recorded, drawn",
    ]


def test_batches_without_photos_are_counted_and_named() -> None:
    write_settings("a", "b", "c")
    paths.raw_path("b").mkdir(parents=True)
    with pytest.raises(ShoepairError, match=r"^data/batches\.yaml: 2 of 3 batches have no photos\n") as error:
        doctor.check_configuration()
    assert error.value.problems == tuple(
        f"{name}: no folder data/raw/{name} and no synthetic class of this name" for name in ("a", "c")
    )
    write_settings()
    with pytest.raises(ShoepairError, match=r"data/batches\.yaml: no batches\nadd the name of a folder of data/raw"):
        doctor.check_configuration()


def test_parameters_are_checked_before_the_list() -> None:
    write_settings()
    edit(paths.PARAMS, "batch_size: 12 ", "batch_size: 13 ")
    with pytest.raises(ShoepairError, match=r"(?s)^params\.yaml: 1 problem\n  batch_size: 13, expected "):
        doctor.check_configuration()
