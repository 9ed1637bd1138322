"""`shoepair add`: what is refused, copied and undone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.field import write_class, write_student
from support.settings import write, write_settings

from shoepair.commands import dvc_records
from shoepair.commands.collection import add, withdrawn
from shoepair.data import json_files, parquet_files, schemas
from shoepair.ingestion import file_manifest
from shoepair.runtime import params, paths
from shoepair.runtime.errors import ShoepairError

SOURCE = Path("handed in")


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that lists one batch, and a class of two students beside it."""
    monkeypatch.chdir(tmp_path)
    write_settings("old")
    write_student(paths.raw_path("old") / "train", "u100")
    write_class(SOURCE, {"train": ("u001",), "test_w": ("u002",)})


def listed() -> list[str]:
    """The batches of data/batches.yaml."""
    return list(params.read_yaml(paths.BATCH_LIST)["batches"])


def all_files() -> dict[str, bytes]:
    """All files of the project and of the class, but those of settings."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def fake_dvc_add(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object] = lambda: None) -> None:
    """Make `dvc add` accept any batch, and run an action before."""

    def record(batch: str) -> None:
        action()
        write(dvc_records.dvc_file_path(batch), "outs: []\n")

    monkeypatch.setattr(dvc_records, "dvc_add", record)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("New", "--name 'New', expected lower-case letters, digits, '-' and '_', 63 at most, letter or digit first"),
        ("-x", "--name '-x', expected lower-case letters"),
        ("../x", "--name '../x', expected lower-case letters"),
        ("", "--name '', expected lower-case letters"),
        ("x\n", r"--name 'x\\n', expected lower-case letters"),
        ("a" * 64, f"--name '{'a' * 64}', expected lower-case letters"),
        ("synthetic", "--name 'synthetic': reserved for the synthetic training students"),
        ("old", "--name 'old': this batch exists already"),
        ("left-over", r"--name 'left-over': data/raw/left-over exists, but data/batches\.yaml does not list it"),
    ],
)
def test_wrong_name_is_refused_before_anything_is_read(name: str, text: str) -> None:
    write(dvc_records.dvc_file_path("left-over"), "outs: []\n")  # its photos are elsewhere
    before = all_files()
    with pytest.raises(ShoepairError, match=f"^{text}"):
        add.add_batch(Path("nowhere"), name)
    assert all_files() == before


def test_longest_name_is_accepted() -> None:
    assert add.add_batch(SOURCE, "a" * 63, dry_run=True)[0].count_files()["students"] == 2


def test_class_is_copied_byte_by_byte_without_links_and_rights_and_listed_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (SOURCE / ".hidden").symlink_to("/etc/hostname")
    secret = write(SOURCE / "train/.DS_Store", b"system")
    secret.chmod(0o600)
    states: list[object] = []
    fake_dvc_add(monkeypatch, lambda: states.append((json_files.read_json(paths.ADD_JOURNAL, ""), listed())))
    add.add_batch(SOURCE, "new")
    assert states == [({"batch": "new", "process": os.getpid()}, ["old"])], "journal before, list after"
    expected = {path.relative_to(SOURCE): path.read_bytes() for path in SOURCE.rglob("*") if path.is_file()}
    del expected[Path(".hidden")]
    raw = paths.raw_path("new")
    assert {path.relative_to(raw): path.read_bytes() for path in raw.rglob("*") if path.is_file()} == expected
    assert (raw / "train/.DS_Store").stat().st_mode & 0o777 == (raw / "train").stat().st_mode & 0o666
    assert listed() == ["old", "new"]
    assert not paths.ADD_JOURNAL.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ShoepairError("full")])
def test_class_that_cannot_be_tracked_or_is_interrupted_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, error: BaseException | type[BaseException]
) -> None:
    def fail() -> None:
        write(dvc_records.dvc_file_path("new"), "outs: [")
        raise error

    fake_dvc_add(monkeypatch, fail)
    before = all_files()
    with pytest.raises(error if isinstance(error, type) else type(error)):
        add.add_batch(SOURCE, "new")
    assert all_files() == before


def test_class_alone_replaces_the_others_and_is_not_compared_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dvc_add(monkeypatch)
    write_student(SOURCE / "train", "u100")  # is in the other batch too
    with pytest.raises(ShoepairError, match=r"handed in: \d+ problems? .*\n(.*\n)*  u100: .*\bold\b"):
        add.add_batch(SOURCE, "new")
    assert add.add_batch(SOURCE, "new", replace_others=True)[1] == []
    assert listed() == ["new"]


def test_class_is_compared_with_the_manifest_of_a_batch_without_photos() -> None:
    content = next((paths.raw_path("old") / "train").iterdir()).read_bytes()
    parquet_files.write_table(
        paths.manifest_path("old"), file_manifest.build_manifest(paths.raw_path("old")), schemas.Manifest
    )
    paths.raw_path("old").rename("away")
    assert add.add_batch(SOURCE, "new", dry_run=True)[0].count_files()["accepted"] == 12
    (SOURCE / "train/u001_3_right_m.jpg").write_bytes(content)
    with pytest.raises(ShoepairError, match=r"^handed in: 1 problem with the existing batches") as error:
        add.add_batch(SOURCE, "new", dry_run=True)
    (problem,) = error.value.problems
    assert "same content as" in problem
    assert "train/u001_3_right_m.jpg" in problem
    assert "old/train/u100_" in problem


def test_students_who_withdrew_from_a_batch_of_this_name_do_not_come_back() -> None:
    for batch, student in (("new", "u002"), ("new", "u001"), ("other", "u001"), ("new", "u050")):
        withdrawn.record_withdrawal(batch, student)
    with pytest.raises(ShoepairError, match=r"^--name 'new': 2 of its students withdrew from a batch") as error:
        add.add_batch(SOURCE, "new", replace_others=True, dry_run=True)
    assert error.value.problems == tuple(f"{name}: withdrawn in data/withdrawn.yaml" for name in ("u001", "u002"))
    withdrawn.record_withdrawal("third", "u099")
    assert add.add_batch(SOURCE, "third", dry_run=True)[0].count_files()["students"] == 2


def half_added(batch: str, process: int) -> None:
    write(paths.raw_path(batch) / "train/u001_1_left_m.jpg", b"x")
    write(dvc_records.dvc_file_path(batch), "outs: []\n")
    json_files.write_json(paths.ADD_JOURNAL, {"batch": batch, "process": process})


def test_class_that_was_listed_before_the_kill_stays() -> None:
    half_added("old", 2**22 + 1)  # no process has so high a number
    assert add.undo_killed_add() == ""
    assert not paths.ADD_JOURNAL.exists()
    assert (paths.raw_path("old") / "train/u001_1_left_m.jpg").is_file()
    assert add.undo_killed_add() == ""


def test_process_that_has_the_number_of_a_killed_one_but_adds_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["shoepair", "add", "photos"]
    monkeypatch.setattr(psutil.Process, "cmdline", lambda _: words)
    half_added("new", os.getppid())
    with pytest.raises(ShoepairError, match=f"process {os.getppid()} is adding batch 'new'\nwait for it, or stop it"):
        add.undo_killed_add()
    assert paths.raw_path("new").is_dir()
    words[1] = "verify"
    assert add.undo_killed_add() == (
        "batch 'new': its `shoepair add` was killed; data/raw/new was removed, add it again"
    )
    assert not paths.raw_path("new").exists()
    assert not dvc_records.dvc_file_path("new").exists()
    assert not paths.ADD_JOURNAL.exists()
