"""Files that are no photos: which names are ignored, and that DVC leaves out the same."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from dvc.ignore import DvcIgnorePatterns
from support.field import ROOT

from shoepair.ingestion import ignored_files

PHOTO = "u052_3_left_w.jpg"
SYSTEM_FILES = (
    *("Thumbs.db", "thumbs.db", "THUMBS.DB", "Thumbs.db:encryptable", "Thumbs.sync-conflict-20240101-120000-ABC.db"),
    *(
        "desktop.ini",
        "Desktop.ini",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "Picasa.ini",
        ".picasa.ini",
        "ZbThumbnail.info",
    ),
    *("Icon\r", "Icon\uf00d", ".DS_Store", f"._{PHOTO}", ".AppleDouble/a", "__MACOSX/a/b.jpg", ".Trashes/501/a.jpg"),
    *(".Spotlight-V100/a", ".fseventsd/a", "Network Trash Folder/a", "$RECYCLE.BIN/a.jpg"),
    *("System Volume Information/a", "lost+found/a", "pspbrwse.jbf"),
    *(f"@eaDir/{PHOTO}/SYNOPHOTO_THUMB_M.jpg", "@eadir/a", f"#recycle/{PHOTO}", "@Recycle/a", ".@__thumb/a.jpg"),
    *(f"{PHOTO}:Zone.Identifier", f"{PHOTO}\uf03aZone.Identifier", f"{PHOTO}_Zone.Identifier"),
    *(f"{PHOTO}:Zone.Identifier:$DATA", f"{PHOTO}:com.dropbox.attrs"),
    *(".stfolder/a", f".stversions/{PHOTO}", f".syncthing.{PHOTO}.tmp", f"~syncthing~{PHOTO}.tmp", ".dropbox"),
    *(".dropbox.attr", ".sync_12ab.db", ".owncloudsync.log", "._sync_12ab.db-wal", ".tmp.drivedownload/1"),
    *("u052_3_left_w.xmp", f"{PHOTO}.xmp", "IMG_1.AAE", f"{PHOTO}.json", "u052_3_left_w.pp3"),
    *(f"{PHOTO}~", "~$list.xlsx", ".~lock.list.ods#", f".{PHOTO}.swp", ".directory", ".Trash-1000/files/a.jpg"),
)
DOCUMENTS = (
    *("README.txt", "readme", "ReadMe.MD", "list.xlsx", "List.CSV", "names.ods", "letter.docx", "form.pdf"),
    *("album.gdoc", "page.html", "folder.lnk", "list (Anna's conflicted copy 2024-01-01).xlsx"),
)
OTHERS = (
    *(PHOTO, "u052_3_left_w.JPG", "u052_3_left_w.txt", "u052_3_left_w.pdf", "u052_3_left_w (1).jpg"),
    *(f".{PHOTO}.icloud", f"{PHOTO}.nextcloud", f"{PHOTO}.part", "u052_3_left_w.sync-conflict-20240101-120000-A.jpg"),
    *(
        "u052_3_left_w (Anna's conflicted copy 2024-01-01).jpg",
        "IMG_1.jpg",
        "IMG_1.MOV",
        "photos.zip",
        "Icon",
        "train",
    ),
)


@pytest.mark.parametrize("folder", ["", "train", "a/b"])
def test_leftovers_and_documents_are_ignored_and_nothing_that_may_be_a_photo(folder: str) -> None:
    for name in SYSTEM_FILES:
        path = PurePosixPath(folder, name)
        assert ignored_files.is_system_file(path), name
        assert ignored_files.is_ignored(path), name
    for name in DOCUMENTS:
        path = PurePosixPath(folder, name)
        assert (ignored_files.is_system_file(path), ignored_files.is_ignored(path)) == (False, True), name
    for name in OTHERS:
        assert not ignored_files.is_ignored(PurePosixPath(folder, name)), name


def test_dvc_leaves_out_system_files_and_nothing_else() -> None:
    lines = (ROOT / ".dvcignore").read_text().splitlines()
    assert [line for line in lines if "/data/raw/" in line] == ignored_files.dvcignore_lines()
    rules = DvcIgnorePatterns([line for line in lines if line and not line.startswith("#")], str(ROOT), os.sep)

    def is_left_out(path: Path) -> bool:
        parts = [path, *path.parents][: -len(ROOT.parts)]
        return any(rules.matches(str(part.parent), part.name, part != path) for part in parts)

    for folder in ("data/raw/winter", "data/raw/winter/train"):
        for name in SYSTEM_FILES:
            assert is_left_out(ROOT / folder / name), name
        for name in (*DOCUMENTS, *OTHERS):
            assert is_left_out(ROOT / folder / name) == name.endswith(".part"), name
    for name in ("data/raw/winter.dvc", "data/raw/.gitignore", "shoepair/.a", "metrics/details.json", "docs/a.json"):
        assert not is_left_out(ROOT / name), name
