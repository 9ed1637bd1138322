"""A class that arrives: what is refused, what is copied, what is taken back."""

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
from shoepair.data import documents, schemas, tables
from shoepair.ingestion import scan
from shoepair.runtime import params, paths
from shoepair.runtime.errors import ShoepairError

SOURCE = Path("handed in")


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that lists one batch, and a class of two students beside it."""
    monkeypatch.chdir(tmp_path)
    write_settings("old")
    write_student(paths.raw("old") / "train", "u100")
    write_class(SOURCE, {"train": ("u001",), "test_w": ("u002",)})


def listed() -> list[str]:
    """The batches of data/batches.yaml."""
    return list(params.read_yaml(paths.BATCHES)["batches"])


def everything() -> dict[str, bytes]:
    """All files of the project and of the class, but those of settings."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def tracked(monkeypatch: pytest.MonkeyPatch, note: Callable[[], object] = lambda: None) -> None:
    """Let DVC take any batch, and do something else meanwhile."""

    def record(batch: str) -> None:
        note()
        write(dvc_records.file(batch), "outs: []\n")

    monkeypatch.setattr(dvc_records, "add", record)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("New", "--name 'New', expected small letters, digits, '-' and '_', 63 at most, letter or digit first"),
        ("-x", "--name '-x', expected small letters"),
        ("../x", "--name '../x', expected small letters"),
        ("", "--name '', expected small letters"),
        ("x\n", r"--name 'x\\n', expected small letters"),
        ("a" * 64, f"--name '{'a' * 64}', expected small letters"),
        ("synthetic", "--name 'synthetic': the drawn students beside the class are called that"),
        ("old", "--name 'old': this batch is there already"),
        ("left-over", r"--name 'left-over': data/raw/left-over is there, but data/batches\.yaml does not list it"),
    ],
)
def test_name_that_cannot_be_is_refused_before_anything_is_read(name: str, text: str) -> None:
    write(dvc_records.file("left-over"), "outs: []\n")  # its photos are elsewhere
    before = everything()
    with pytest.raises(ShoepairError, match=f"^{text}"):
        add.add(Path("nowhere"), name)
    assert everything() == before


def test_longest_name_is_one() -> None:
    assert add.add(SOURCE, "a" * 63, dry_run=True)[0].counts()["students"] == 2


def test_class_is_copied_byte_by_byte_without_links_and_rights_and_listed_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (SOURCE / ".hidden").symlink_to("/etc/hostname")
    secret = write(SOURCE / "train/.DS_Store", b"system")
    secret.chmod(0o600)
    seen: list[object] = []
    tracked(monkeypatch, lambda: seen.append((documents.read_json(paths.JOURNAL, ""), listed())))
    add.add(SOURCE, "new")
    assert seen == [({"batch": "new", "process": os.getpid()}, ["old"])], "noted down before, listed after"
    wanted = {path.relative_to(SOURCE): path.read_bytes() for path in SOURCE.rglob("*") if path.is_file()}
    del wanted[Path(".hidden")]
    raw = paths.raw("new")
    assert {path.relative_to(raw): path.read_bytes() for path in raw.rglob("*") if path.is_file()} == wanted
    assert (raw / "train/.DS_Store").stat().st_mode & 0o777 == (raw / "train").stat().st_mode & 0o666
    assert listed() == ["old", "new"]
    assert not paths.JOURNAL.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ShoepairError("full")])
def test_class_that_cannot_be_tracked_or_is_interrupted_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, error: BaseException | type[BaseException]
) -> None:
    def fail() -> None:
        write(dvc_records.file("new"), "outs: [")
        raise error

    tracked(monkeypatch, fail)
    before = everything()
    with pytest.raises(error if isinstance(error, type) else type(error)):
        add.add(SOURCE, "new")
    assert everything() == before


def test_class_alone_replaces_the_others_and_is_not_held_against_them(monkeypatch: pytest.MonkeyPatch) -> None:
    tracked(monkeypatch)
    write_student(SOURCE / "train", "u100")  # is in the other batch too
    with pytest.raises(ShoepairError, match=r"handed in: \d+ problems? .*\n(.*\n)*  u100: .*\bold\b"):
        add.add(SOURCE, "new")
    assert add.add(SOURCE, "new", alone=True)[1] == []
    assert listed() == ["new"]


def test_class_is_held_against_the_table_of_a_batch_whose_photos_are_elsewhere() -> None:
    content = next((paths.raw("old") / "train").iterdir()).read_bytes()
    tables.write(paths.table("old"), scan.scan(paths.raw("old")), schemas.Files)
    paths.raw("old").rename("away")
    assert add.add(SOURCE, "new", dry_run=True)[0].counts()["accepted"] == 12
    (SOURCE / "train/u001_3_right_m.jpg").write_bytes(content)
    with pytest.raises(ShoepairError, match=r"^handed in: 1 problem with the batches that are there") as error:
        add.add(SOURCE, "new", dry_run=True)
    (problem,) = error.value.problems
    assert "same content as" in problem
    assert "train/u001_3_right_m.jpg" in problem
    assert "old/train/u100_" in problem


def test_students_who_withdrew_from_a_batch_of_this_name_do_not_come_back() -> None:
    for batch, student in (("new", "u002"), ("new", "u001"), ("other", "u001"), ("new", "u050")):
        withdrawn.append(batch, student)
    with pytest.raises(ShoepairError, match=r"^--name 'new': 2 of its students withdrew from a batch") as error:
        add.add(SOURCE, "new", alone=True, dry_run=True)
    assert error.value.problems == tuple(f"{name}: withdrawn in data/withdrawn.yaml" for name in ("u001", "u002"))
    withdrawn.append("third", "u099")
    assert add.add(SOURCE, "third", dry_run=True)[0].counts()["students"] == 2


def noted(batch: str, process: int) -> None:
    write(paths.raw(batch) / "train/u001_1_left_m.jpg", b"x")
    write(dvc_records.file(batch), "outs: []\n")
    documents.write_json(paths.JOURNAL, {"batch": batch, "process": process})


def test_class_that_was_listed_before_the_kill_stays() -> None:
    noted("old", 2**22 + 1)  # no process has so high a number
    assert add.recover() == ""
    assert not paths.JOURNAL.exists()
    assert (paths.raw("old") / "train/u001_1_left_m.jpg").is_file()
    assert add.recover() == ""


def test_process_that_has_the_number_of_a_killed_one_but_adds_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["shoepair", "add", "photos"]
    monkeypatch.setattr(psutil.Process, "cmdline", lambda _: words)
    noted("new", os.getppid())
    with pytest.raises(ShoepairError, match=f"process {os.getppid()} is adding batch 'new'\nwait for it, or stop it"):
        add.recover()
    assert paths.raw("new").is_dir()
    words[1] = "verify"
    assert add.recover() == ("batch 'new': its `shoepair add` was killed; data/raw/new is taken back, add it again")
    assert not paths.raw("new").exists()
    assert not dvc_records.file("new").exists()
    assert not paths.JOURNAL.exists()
