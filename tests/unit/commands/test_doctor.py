"""`shoepair doctor`: repairs and checks that need neither git nor DVC."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest
from support.field import edit
from support.settings import write, write_settings

from shoepair.commands import doctor, dvc_records, version_control
from shoepair.commands.collection import add_journal
from shoepair.commands.version_control import VersionControlError
from shoepair.runtime import json_files, paths, project_lock
from shoepair.runtime.errors import ShoepairError

LOCK = """schema: '2.0'
stages:
  ingest@a:
    cmd: python -m stages.ingest a
    outs:
    - path: data/manifest/a.parquet
      md5: '33333'
      size: 3
"""
RECORD = "outs: [{md5: 11111.dir, size: 3, nfiles: 6, hash: md5, path: a}]\n"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project as far as doctor looks at it; git and DVC's own locks are tested with the real ones."""
    monkeypatch.chdir(tmp_path)
    write_settings("a")
    Path(".dvc").mkdir()
    monkeypatch.setattr(project_lock, "_block_dvc", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(project_lock, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(version_control, "read_committed", committed.get)
    committed.clear()


committed: dict[Path, bytes] = {}  # what the last commit has


def repair() -> list[str]:
    return list(doctor.repair_project())


def files() -> dict[str, bytes]:
    """All files outside DVC's temporary folder."""
    found = (path for path in Path().rglob("*") if path.is_file() and not path.is_relative_to(".dvc/tmp"))
    return {str(path): path.read_bytes() for path in found}


def test_nothing_is_repaired_if_nothing_was_killed() -> None:
    write(dvc_records.LOCK_PATH, LOCK)
    write(dvc_records.dvc_file_path("a"), RECORD)
    rwlocks = [write(path, "{}") for path in doctor.RWLOCKS]
    before = files()
    assert repair() == []
    assert files() == before
    assert all(path.is_file() for path in rwlocks)


def test_folder_that_dvc_does_not_manage_is_said_so_and_left_alone(tmp_path: Path) -> None:
    part = write(Path("data/store/.a.h5.x.part"), b"another program's")
    Path(".dvc").rename(tmp_path.parent / f"{tmp_path.name}-dvc")
    before = sorted(Path().rglob("*"))
    with pytest.raises(ShoepairError, match=r"not a project, it has no folder \.dvc\nrun `dvc init`"):
        repair()
    assert part.is_file()
    assert sorted(Path().rglob("*")) == before


def test_what_git_cannot_tell_is_left_as_it_is_and_the_rest_is_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        message = "`git log` failed: fatal: detected dubious ownership"
        raise VersionControlError(message, fix="tell git")

    monkeypatch.setattr(version_control, "read_committed", refuse)
    part = write(Path("data/store/.a.h5.x.part"), b"half")
    write(dvc_records.LOCK_PATH, "")
    json_files.write_json(doctor.EXPERIMENT_STATE / "workspace.run", {"status": 2, "name": "long"})
    before = {name: content for name, content in files().items() if name != str(part)}
    lines: list[str] = []
    with pytest.raises(VersionControlError) as error:
        lines.extend(iter(doctor.repair_project()))
    assert error.value.message == (
        "dvc.lock: damaged by a kill, and left as it is: what the last commit has is unknown (`git log` failed: fatal:"
        " detected dubious ownership)"
    )
    assert error.value.fix == "tell git"
    assert files() == before
    assert (doctor.EXPERIMENT_STATE / "workspace.run").is_file()


def test_what_is_deleted_is_said_before_and_repairs_are_said_though_a_later_one_fails() -> None:
    parts = [write(Path("metrics/.split.json.y1.part"), b"x"), write(Path("metrics/.split.json.y2.part"), b"x")]
    json_files.write_json(doctor.EXPERIMENT_STATE / "workspace.run", {"status": 2})
    write(doctor.EXPERIMENT_STATE / "workspace.json", "{")
    lines = []
    for line in doctor.repair_project():
        lines.append(line)
        if len(lines) == 1:
            assert line == f"{parts[0]}: half-written by a killed stage, deleted"
            assert all(path.exists() for path in parts)
            break
    with pytest.raises(ShoepairError, match=r"workspace\.json: not a JSON object\ndelete \.dvc/tmp/exps"):
        lines.extend(doctor.repair_project())
    assert lines == [f"{path}: half-written by a killed stage, deleted" for path in (parts[0], *parts)]
    assert not any(path.exists() for path in parts)


def test_while_others_use_the_project_it_says_who_and_what_and_repairs_nothing() -> None:
    part = write(Path("data/store/.a.h5.x.part"), b"being written")
    add_journal.write_journal("late")
    write(paths.raw_path("late") / "train/u001_1_left_m.jpg", b"x")
    before = files()
    with project_lock.hold_shared("stage normalize@a"):
        assert repair() == [
            f"`shoepair doctor`: the project is in use by stage normalize@a (process {os.getpid()}); nothing was"
            " repaired",
            "if it is still so afterwards: batch 'late': its `shoepair add` was killed; data/raw/late was removed,"
            " add it again",
            f"if it is still so afterwards: {part}: half-written by a killed stage, deleted",
        ]
    assert files() == before
    assert len(repair()) == 2
    assert not part.exists()


def test_half_added_batch_is_removed_and_photos_are_never_taken_for_partial_files() -> None:
    write(paths.raw_path("late") / "train/u001_1_left_m.jpg", b"x")
    add_journal.write_journal("late")
    names = ("data/manifest/.a.parquet.x1.part", "data/raw/.late.part", "metrics/.split.json.y2.part")
    partial = [write(Path(name), b"x") for name in names]
    others = ("data/manifest/a.parquet", "docs/.notes.part", "data/manifest/a.part", "data/raw/a/train/.mine.part")
    complete = [write(Path(name), b"x") for name in others]
    assert repair() == [
        "batch 'late': its `shoepair add` was killed; data/raw/late was removed, add it again",
        *[f"{path}: half-written by a killed stage, deleted" for path in partial],
    ]
    assert [path.exists() for path in (*partial, *complete)] == [False] * 3 + [True] * 4
    assert not paths.raw_path("late").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"batch": 3}', '{"batch": "../a"}', '{"batch": ""}'])
def test_damaged_journal_of_an_add_deletes_nothing_and_names_what_may_be_half_copied(content: str) -> None:
    write(paths.ADD_JOURNAL, content)
    for batch in ("a", "late"):
        write(paths.raw_path(batch) / "train/u001_1_left_m.jpg", b"x")
    before = files()
    assert repair() == [
        f"{paths.ADD_JOURNAL}: damaged, and a `shoepair add` was killed; deleted; not listed, so perhaps half copied:"
        " data/raw/late"
    ]
    assert files() == before
    assert repair() == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "- 1\n",
        "3",
        "stages: {a: [",
        "stages: [1]",
        "schema: '2.0'\nstages: {a: {outs: 3}}",
        "\x00",
        b"\xff\xfe",
    ],
    ids=repr,
)
def test_damaged_record_comes_from_the_last_commit_and_only_that_one(content: str | bytes) -> None:
    lock, record, sound = dvc_records.LOCK_PATH, dvc_records.dvc_file_path("a"), dvc_records.dvc_file_path("b")
    committed.update({lock: LOCK.encode(), record: RECORD.encode()})
    newer = LOCK.replace("33333", "44444")
    write(lock, newer)
    write(sound, RECORD)
    write(record, content)
    kept = "; a copy is in .dvc/tmp/shoepair" if content else ""
    after = f"`dvc add data/raw/a` records the photos there{kept}"
    assert repair() == [f"{record}: damaged by a kill; restored from the last commit, {after}"]
    assert (record.read_text(), lock.read_text(), sound.read_text()) == (RECORD, newer, RECORD)
    write(lock, content)
    assert repair() == [f"{lock}: damaged by a kill; restored from the last commit, `dvc repro` updates it{kept}"]
    assert (lock.read_text(), record.read_text()) == (LOCK, RECORD)
    if content:
        copy = (doctor.BACKUP_FOLDER / lock.name).read_bytes()
        assert copy == (content if isinstance(content, bytes) else content.encode())
    assert repair() == []


@pytest.mark.parametrize("end", ["hash: m", "hash: md5\n      md5: 288", "hash: md5\n      md5: 2e5"])
def test_lock_that_ends_within_a_digest_is_damaged_although_it_fits_the_schema_of_dvc(end: str) -> None:
    lock = dvc_records.LOCK_PATH
    committed[lock] = LOCK.encode()
    whole = LOCK.replace("md5: '33333'", "hash: md5\n      md5: 33333a")
    write(lock, whole)
    assert repair() == []
    write(lock, whole.partition("hash: ")[0] + end)
    (line,) = repair()
    assert line.startswith(f"{lock}: damaged by a kill; restored from the last commit")
    assert lock.read_text() == LOCK


def test_damaged_record_that_no_commit_has_is_deleted() -> None:
    record = write(dvc_records.dvc_file_path("a"), "deps: []\n")  # no `outs`: of which photos is it?
    committed[dvc_records.LOCK_PATH] = b""  # the commit itself has a damaged one
    write(dvc_records.LOCK_PATH, "")
    lines = repair()
    assert [line.split(", ")[0] for line in lines] == [
        "dvc.lock: damaged by a kill and in no commit; deleted",
        "data/raw/a.dvc: damaged by a kill and in no commit; deleted",
    ]
    assert not record.exists()
    assert not dvc_records.LOCK_PATH.exists()


def test_finished_experiment_is_not_a_killed_one() -> None:
    state = doctor.EXPERIMENT_STATE / "workspace.run"
    json_files.write_json(state, {"status": 3, "name": "done"})
    assert repair() == []
    assert state.is_file()
    state.write_text("{")
    with pytest.raises(ShoepairError, match=r"workspace\.run: not a JSON object\ndelete \.dvc/tmp/exps/run/workspace"):
        repair()


@pytest.mark.parametrize(
    ("pid", "older", "alive"),
    [(os.getpid(), 0, True), (os.getpid(), 9e5, False), (-1, 0, False)],
    ids=("same process", "another process", "no process"),
)
def test_experiment_is_killed_if_its_process_is_gone_or_another_has_its_number(
    monkeypatch: pytest.MonkeyPatch, pid: int, older: float, *, alive: bool
) -> None:
    monkeypatch.setattr(version_control, "run_git", lambda *words: words)
    json_files.write_json(doctor.EXPERIMENT_STATE / "workspace.run", {"status": 2, "name": "long"})
    process = doctor.EXPERIMENT_STATE / "workspace.json"
    json_files.write_json(process, {"pid": pid})
    os.utime(process, (time.time() - older,) * 2)
    values = paths.PARAMS.read_bytes()
    committed[paths.PARAMS] = values.replace(b"epochs: 80 ", b"epochs: 81 ")
    lines = repair()
    assert bool(lines) != alive
    if lines:
        assert "params.yaml: had the values of experiment 'long', which was killed; restored" in lines[0]
        assert "epochs is 81, was 80; `cp .dvc/tmp/shoepair/params.yaml params.yaml` undoes this" in lines[0]
        assert paths.PARAMS.read_bytes() == committed[paths.PARAMS]
        assert (doctor.BACKUP_FOLDER / "params.yaml").read_bytes() == values
        assert repair() == []
    else:
        assert paths.PARAMS.read_bytes() == values


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
