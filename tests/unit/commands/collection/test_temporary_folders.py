"""Temporary folders for photos: where they are, what deletes them, and that one in use stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from shoepair.commands.collection import temporary_folders
from shoepair.runtime import paths


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def abandoned(name: str) -> Path:
    """What a killed process leaves: a folder whose lock nobody holds."""
    outer = paths.RAW_FOLDER / f"{temporary_folders.PREFIX}{name}"
    (outer / "photos/train").mkdir(parents=True)
    (outer / "photos/train/u001_1_left_m.jpg").touch()
    return outer


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_folder_is_private_and_deleted_at_any_end_of_the_block(error: type[BaseException]) -> None:
    def run() -> None:
        with temporary_folders.open_temporary_folder() as folder:
            assert list(folder.iterdir()) == []
            assert folder.parent.stat().st_mode & 0o777 == 0o700
            assert folder.is_relative_to(paths.RAW_FOLDER)
            (folder / "train").mkdir()
            raise error

    with pytest.raises(error):
        run()
    assert list(paths.RAW_FOLDER.iterdir()) == []


def test_folder_that_is_renamed_stays() -> None:
    with temporary_folders.open_temporary_folder() as folder:
        (folder / "a").touch()
        folder.rename(paths.raw_path("new"))
    assert [str(path) for path in paths.RAW_FOLDER.rglob("*")] == ["data/raw/new", "data/raw/new/a"]


def test_abandoned_folders_are_found_and_deleted_and_one_in_use_stays() -> None:
    (paths.RAW_FOLDER / "class").mkdir(parents=True)
    first, second = abandoned("a"), abandoned("b")
    with FileLock(second / temporary_folders.LOCK_NAME):
        pass  # its process had taken the lock
    with temporary_folders.open_temporary_folder() as in_use:
        assert temporary_folders.find_abandoned_folders() == [first, second]
        temporary_folders.delete_abandoned_folders()
        assert in_use.is_dir()
        assert {path.name for path in paths.RAW_FOLDER.iterdir()} == {"class", in_use.parent.name}
    assert [path.name for path in paths.RAW_FOLDER.iterdir()] == ["class"]


def test_project_without_photos_has_none() -> None:
    temporary_folders.delete_abandoned_folders()
    assert not paths.RAW_FOLDER.exists()
