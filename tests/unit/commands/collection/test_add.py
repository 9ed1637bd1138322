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
from shoepair.commands.collection import add, add_journal, overview, withdrawn
from shoepair.data import parquet_files, schemas
from shoepair.ingestion import file_manifest
from shoepair.runtime import parameter_files, paths
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
    return list(parameter_files.read_yaml(paths.BATCH_LIST)["batches"])


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
        ("nul", "--name 'nul': Windows has a device of this name"),
        ("com1", "--name 'com1': Windows has a device of this name"),
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
    fake_dvc_add(monkeypatch, lambda: states.append((add_journal._read_journal(), listed())))
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


def test_two_ids_of_one_number_are_one_student_or_a_fault() -> None:
    """In a batch, in two batches, and for a student who withdrew."""
    write_student(SOURCE / "test_m", "u1")
    with pytest.raises(ShoepairError) as error:
        add.add_batch(SOURCE, "new", dry_run=True)
    assert error.value.problems == (
        "u001 (train): the same number as u1 (test_m), expected one way to write each student's number",
    )
    shutil.rmtree(SOURCE / "test_m")
    write_student(SOURCE / "train", "u0100")
    with pytest.raises(ShoepairError) as error:
        add.add_batch(SOURCE, "new", dry_run=True)
    assert "u0100 and u100: in the batches old and new, expected one" in error.value.problems
    withdrawn.record_withdrawal("new", "u1")
    with pytest.raises(
        ShoepairError, match=r"1 of its students withdrew from a batch of this name\n  u001: withdrawn"
    ):
        add.add_batch(SOURCE, "new", dry_run=True)


@pytest.mark.parametrize("is_archive", [False, True])
def test_message_names_what_was_handed_in_and_what_to_do_with_it(is_archive: bool) -> None:
    write(SOURCE / "train/u001_1_left_m (1).jpg", "x")
    source = Path("late.zip") if is_archive else SOURCE
    shutil.make_archive("late", "zip", ".", SOURCE)
    with pytest.raises(ShoepairError) as error:
        add.add_batch(source, "new")
    location = f"late.zip/{SOURCE}" if is_archive else str(SOURCE)
    place = "correct it in the archive" if is_archive else "correct the files"
    assert str(error.value).splitlines() == [
        f"{location}: 1 problem, nothing of batch 'new' was accepted",
        "  train/u001_1_left_m (1).jpg: not a photo's name, expected u001_1_left_m.jpg: if it is a second version, "
        "keep the right one under this name",
        f"{place}, then run `shoepair add {source}` again; or set `validate.on_invalid: quarantine` to go on without "
        "them",
    ]


def test_dry_run_does_not_undo_a_killed_add() -> None:
    write(paths.raw_path("new") / "train/u001_1_left_m.jpg", b"x")
    add_journal.write_journal("new")
    add.add_batch(SOURCE, "other", dry_run=True)
    assert paths.raw_path("new").is_dir()
