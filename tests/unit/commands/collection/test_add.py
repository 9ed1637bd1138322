"""`shoepair add`: what is refused, copied and undone."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.field import write_class, write_student
from support.settings import write, write_settings

from shoepair.commands import dvc_records
from shoepair.commands.collection import add, overview, withdrawn
from shoepair.data import parquet_files, schemas
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


def test_class_is_copied_without_links_rights_and_ignored_files_and_listed_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = {path.relative_to(SOURCE): path.read_bytes() for path in SOURCE.rglob("*") if path.is_file()}
    (SOURCE / ".hidden").symlink_to("/etc/hostname")
    for name in ("train/.DS_Store", "test_w/Thumbs.db", ".picasa/train/u001_1_left_m.jpg", "desktop.ini"):
        write(SOURCE / name, "system")
    photo = next((SOURCE / "train").glob("u001_*"))
    photo.chmod(0o600)
    states: list[object] = []
    fake_dvc_add(monkeypatch, lambda: states.append((add._read_journal(), listed())))
    result, _ = add.add_batch(SOURCE, "new")
    assert states == [("new", ["old"])], "journal before, list after"
    counts = result.count_files()
    assert (counts["ignored"], counts["accepted"], counts["files"]) == (5, 12, 17)
    raw = paths.raw_path("new")
    assert {path.relative_to(raw): path.read_bytes() for path in raw.rglob("*") if path.is_file()} == expected
    assert sorted(path.name for path in raw.iterdir()) == ["test_w", "train"]
    assert (raw / "train" / photo.name).stat().st_mode & 0o777 == (raw / "train").stat().st_mode & 0o666
    assert raw.stat().st_mode == (raw / "train").stat().st_mode
    assert listed() == ["old", "new"]
    assert not paths.ADD_JOURNAL.exists()
    assert sorted(path.name for path in paths.RAW_FOLDER.iterdir()) == ["new", "new.dvc", "old"]


def test_class_that_was_copied_with_ignored_files_before_is_checked_as_before() -> None:
    write(paths.raw_path("old") / "train/Thumbs.db", "thumbnails")
    write(paths.raw_path("old") / ".hidden/a", "")
    counts = overview.validation_result_by_batch()["old"].count_files()
    assert (counts["files"], counts["accepted"], counts["ignored"]) == (8, 6, 2)


def test_copy_that_fails_leaves_nothing_under_the_name_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[Path] = []

    def fail(_source: Path, target: Path) -> None:
        copied.append(target)
        assert not paths.raw_path("new").exists()
        if len(copied) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        target.touch()

    before = all_files()
    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(ShoepairError, match=r"^handed in: cannot be copied \(No space left on device\), nothing was"):
        add.add_batch(SOURCE, "new")
    assert all_files() == before
    assert [path.name for path in paths.RAW_FOLDER.iterdir()] == ["old"]


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


def half_added(batch: str) -> None:
    write(paths.raw_path(batch) / "train/u001_1_left_m.jpg", b"x")
    write(dvc_records.dvc_file_path(batch), "outs: []\n")
    add.write_journal(batch)


def test_class_that_was_listed_before_the_kill_stays() -> None:
    half_added("old")
    assert add.describe_killed_add() == (
        "batch 'old': its `shoepair add` was killed at the end; the batch is complete"
    )
    add.undo_killed_add()
    assert not paths.ADD_JOURNAL.exists()
    assert (paths.raw_path("old") / "train/u001_1_left_m.jpg").is_file()
    assert add.describe_killed_add() == ""


def test_killed_add_is_described_and_undone_but_not_by_a_dry_run() -> None:
    half_added("new")
    assert add.describe_killed_add() == (
        "batch 'new': its `shoepair add` was killed; data/raw/new was removed, add it again"
    )
    add.add_batch(SOURCE, "other", dry_run=True)
    assert paths.raw_path("new").is_dir()
    add.undo_killed_add()
    assert not paths.raw_path("new").exists()
    assert not dvc_records.dvc_file_path("new").exists()
    assert not paths.ADD_JOURNAL.exists()
