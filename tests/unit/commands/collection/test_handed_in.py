"""One class handed in as a folder, a zip and a tar: the same photos, ignored files and messages."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shoepair.commands.collection import archives
from shoepair.ingestion import file_manifest, validation
from shoepair.runtime.errors import ShoepairError

SHOES = [f"{pair}_{side}_" for pair in (1, 2, 3) for side in ("left", "right")]
PHOTO = "train/u001_1_left_m.jpg"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def move(folder: Path, old: str, new: str) -> Path:
    (folder / new).parent.mkdir(parents=True, exist_ok=True)
    return (folder / old).rename(folder / new)


def wrap(folder: Path, *names: str) -> Path:
    """Put all that is in a folder into a folder in it, named as given, one in the other."""
    entries = list(folder.iterdir())
    inner = folder.joinpath(*names)
    inner.mkdir(parents=True)
    for entry in entries:
        entry.rename(inner / entry.name)
    return inner


def flatten(folder: Path) -> Path:
    for path in [*(folder / "train").iterdir()]:
        path.rename(folder / path.name)
    (folder / "train").rmdir()
    return folder


INPUTS: dict[str, Callable[[Path], object]] = {
    "as it is": lambda _: None,
    "photos without a subset": flatten,
    "one subset": lambda folder: move(folder, "train", "test_m"),
    "an empty folder": lambda folder: (folder / "more").mkdir(),
    "thumbs.db": lambda folder: write(folder, "thumbs.db", "train/Thumbs.DB"),
    "streams of Windows": lambda folder: write(folder, f"{PHOTO}:Zone.Identifier", "train/Thumbs.db:encryptable"),
    "thumbnails of a disk": lambda folder: write(folder, f"train/@eaDir/{PHOTO}/SYNOPHOTO_THUMB_M.jpg"),
    "an icon of macOS": lambda folder: write(folder, "Icon\r", "train/Icon\r"),
    "resource forks": lambda folder: write(folder, f"__MACOSX/{PHOTO}", "train/._u001_1_left_m.jpg", ".DS_Store"),
    "hidden folders": lambda folder: write(folder, f".stversions/{PHOTO}", ".Trashes/501/a.jpg"),
    "sidecars": lambda folder: write(folder, "train/u001_1_left_m.xmp", "train/u001_1_left_m.AAE"),
    "a readme": lambda folder: write(folder, "README.txt"),
    "a list beside photos": lambda folder: write(folder, "train/names.xlsx"),
    "only documents": lambda folder: (move(folder, "train", ".train"), write(folder, "README.md")),
    "a film": lambda folder: write(folder, "train/u001_1_left_m.MOV", "train/IMG_1.MOV"),
    "unknown set": lambda folder: move(folder, "train", "Test_M"),
    "unknown set with another name": lambda folder: move(folder, "train", "holdback"),
    "unknown set beside another": lambda folder: write(folder, "valid/u009_1_left_m.jpg"),
    "a subset in capitals": lambda folder: move(folder, "train", "Train"),
    "a folder in a subset": lambda folder: move(folder, PHOTO, "train/more/u001_1_left_m.jpg"),
    "wrapped": lambda folder: wrap(folder, "class"),
    "wrapped twice": lambda folder: wrap(folder, "冬", "class 3b"),
    "wrapped beside a readme": lambda folder: (wrap(folder, "class"), write(folder, "README.txt", "__MACOSX/a")),
    "wrapped beside notes": lambda folder: (wrap(folder, "class"), write(folder, "notes/list.ods")),
    "wrapped beside a photo": lambda folder: (wrap(folder, "class"), write(folder, "u009_1_left_m.jpg")),
    "wrapped without a subset": lambda folder: (flatten(folder), wrap(folder, "photos")),
    "a second version": lambda folder: write(folder, "train/u001_1_left_m (1).jpg"),
    "a conflict": lambda folder: write(folder, "train/u001_1_left_m.sync-conflict-20240101-120000-ABCDEFG.jpg"),
    "a placeholder": lambda folder: move(folder, PHOTO, "train/.u001_1_left_m.jpg.icloud"),
    "half a download": lambda folder: move(folder, PHOTO, f"{PHOTO}.crdownload"),
    "a blank": lambda folder: move(folder, PHOTO, "train/u001_1_left_m .jpg"),
    "another case": lambda folder: move(folder, PHOTO, "train/U001_1_left_m.jpg"),
    "another letter": lambda folder: move(folder, PHOTO, "train/u001_1_left_m é.jpg"),
    "full-width digits": lambda folder: move(folder, PHOTO, "train/u０01_1_left_m.jpg"),
    "a missing photo": lambda folder: (folder / PHOTO).unlink(),
    "two ids of one number": lambda folder: write(folder, *(f"test_m/u1_{shoe}m.jpg" for shoe in SHOES)),
    "a student in two subsets": lambda folder: write(folder, "test_m/u001_1_left_m.jpg"),
}


def describe(path: Path, location: str) -> object:
    """Return what a class is taken for, with the name of what was handed in replaced."""
    try:
        with archives.open_photo_folder(path) as handed_in:
            manifest = file_manifest.build_manifest(
                handed_in.path, location=handed_in.location, ignored_beside=handed_in.ignored_beside
            )
            photos = manifest[~manifest["ignored"]].astype(object).fillna("").to_records(index=False).tolist()
            errors = [str(error) for error in validation.find_errors(manifest, {})]
            found = handed_in.location.replace(location, "CLASS")
            return found, len(manifest) - len(photos), sorted(photos), errors
    except ShoepairError as error:
        return str(error).replace(location, "CLASS").replace(str(path), "CLASS")


@pytest.mark.parametrize("name", INPUTS)
def test_class_is_the_same_as_a_folder_and_as_an_archive(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "late"
    write(folder, *(f"train/u00{number}_{shoe}m.jpg" for number in (1, 2) for shoe in SHOES))
    INPUTS[name](folder)
    with zipfile.ZipFile(tmp_path / "late.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    with tarfile.open(tmp_path / "late.tgz", "w:gz") as tar:
        tar.add(folder, "late")
    expected = describe(folder, str(folder))
    if name == "wrapped beside a readme":
        assert isinstance(expected, tuple)
        assert expected[1] == 2, "ignored files beside the class are counted"
    for path in (tmp_path / "late.zip", tmp_path / "late.tgz"):
        found = describe(path, f"{path}/late")
        assert found == expected
        assert ".incoming" not in str(found)


@pytest.mark.parametrize("name", ["Test_M", "test", "test_w", "tests 2", "valid", "Validation-Set", "holdout"])
def test_folder_with_the_name_of_a_set_is_never_taken_for_train(tmp_path: Path, name: str) -> None:
    """A class that was packed, or handed in, without the folder around its sets."""
    write(tmp_path, *(f"{name}/u001_{shoe}m.jpg" for shoe in SHOES))
    with zipfile.ZipFile(tmp_path / "late.zip", "w") as archive:
        for path in sorted((tmp_path / name).iterdir()):
            archive.write(path, path.relative_to(tmp_path))
    for path, location in ((tmp_path / name, tmp_path / name), (tmp_path / "late.zip", tmp_path / "late.zip" / name)):
        if name == "test_w" and path.suffix:  # the subset itself
            continue
        with pytest.raises(ShoepairError) as error, archives.open_photo_folder(path):
            pass
        assert str(error.value).splitlines() == [
            f"{location}: photos directly in a folder {name!r}, expected train, test_m, test_w or another name",
            "call it train or test_m or test_w and give the folder that it is in",
        ]


def test_folder_of_another_name_is_taken_and_so_is_one_whose_subsets_are_in_it(tmp_path: Path) -> None:
    write(
        tmp_path, "test-class/train/u001_1_left_m.jpg", "testing/train/u001_1_left_m.jpg", "contest/u001_1_left_m.jpg"
    )
    for name in ("test-class", "testing", "contest"):
        with archives.open_photo_folder(tmp_path / name) as handed_in:
            assert handed_in.path == tmp_path / name
