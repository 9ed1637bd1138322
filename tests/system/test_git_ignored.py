"""What `git add --all` takes: no photo, archive or list of names, wherever it lies, and everything of the project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.commands import Run
from support.field import ROOT, write_class

from shoepair.commands.collection import temporary_folders
from shoepair.runtime import paths

SUFFIXES = (
    *("png", "jpg", "jpeg", "webp", "heic", "heif", "avif", "gif", "bmp", "tif", "tiff", "mov"),
    *("zip", "tar", "tgz", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "7z", "rar"),
    *("csv", "xls", "xlsx", "ods", "docx", "pdf"),
)
SYSTEM_FILES = (".DS_Store", "._u001_1_left_m.jpg", "Thumbs.db", "thumbs.db", "desktop.ini", "@eaDir/thumb")


@pytest.mark.usefixtures("repository")
def test_class_beside_the_project_is_not_committed(run: Run) -> None:
    before = run("git", "ls-files").stdout
    for folder in (Path(), Path("class 3b/train"), Path("shoepair/data"), Path("docs/class/test_m"), Path("data")):
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in SUFFIXES:
            for name in (f"a.{suffix}", f"B.{suffix.upper()}", f"u001_1_left_m.{suffix.capitalize()}"):
                (folder / name).touch()
        for name in SYSTEM_FILES:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
    write_class(Path("winter"), {"train": ("u001",)})
    with temporary_folders.open_temporary_folder() as folder:
        shutil.copytree("winter", folder / "winter")
        (folder / "winter/evil.dvc").touch()
        run("git", "add", "--all")
        assert run("git", "ls-files").stdout == before
        assert "data/raw/tiny.dvc" in run("dvc", "stage", "list", "--all", "--name-only").stdout.split()
        assert (
            run("dvc", "status", str(paths.RAW_FOLDER / "tiny.dvc")).stdout == "Data and pipelines are up to date.\n"
        )


def test_documents_pictures_and_every_committed_file_are_taken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    run("git", "check-ignore", "--quiet", "--no-index", "docs/new.png", status=1)
    assert run("git", "ls-files", "--cached", "--ignored", "--exclude-standard").stdout == ""
