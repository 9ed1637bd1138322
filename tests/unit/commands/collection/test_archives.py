"""Archives: what is unpacked, and what is refused and why."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoepair.commands.collection import archives
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

PHOTO = "train/u001_1_left_m.jpg"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty project, into which archives are unpacked."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, members: list[tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    return path


def member(name: str, file_type: bytes = tarfile.REGTYPE, length: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = file_type, length, target
    return info


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(path: Path, match: str, **limits: int) -> None:
    with pytest.raises(ShoepairError, match=match), archives.open_photo_folder(path, **limits):
        pytest.fail("it was opened")
    assert list(paths.RAW_FOLDER.glob("*")) == []


@pytest.mark.parametrize("wrapped", ["", "class/", "a/b/"])
def test_zip_and_tar_give_what_was_packed(tmp_path: Path, wrapped: str) -> None:
    expected = {PHOTO: b"left", "test_m/u002_1_left_m.jpg": b"right", "test_m/.DS_Store": b""}  # only counted
    packed = {wrapped + name: content for name, content in expected.items()}
    archive_paths = [make_zip(tmp_path / "class.zip", packed)]
    for suffix, mode in {"tar": "w", "tgz": "w:gz", "tar.bz2": "w:bz2", "jpg": "w:xz"}.items():
        path = tmp_path / f"class.{suffix}"
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for name, content in packed.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        archive_paths.append(path)
    for path in archive_paths:
        with archives.open_photo_folder(path) as handed_in:
            assert contents(handed_in.path) == expected, path.name
            assert handed_in.path.is_relative_to(paths.RAW_FOLDER)
        assert list(paths.RAW_FOLDER.iterdir()) == []


def test_folder_is_given_as_it_is(tmp_path: Path) -> None:
    with archives.open_photo_folder(tmp_path) as handed_in:
        assert handed_in.path == tmp_path


def test_subset_that_is_the_only_folder_is_not_a_wrapper(tmp_path: Path) -> None:
    with archives.open_photo_folder(
        make_zip(tmp_path / "class.zip", {PHOTO: b"x", "__MACOSX/train/._u001": b"y"})
    ) as handed_in:
        assert (handed_in.path / PHOTO).is_file()


@pytest.mark.parametrize(
    "name",
    [
        *("../u001.jpg", "train/../../u001.jpg", "/etc/u001.jpg", "C:u001.jpg"),
        *("..\\u001.jpg", "train\\..\\..\\u001.jpg", "../.DS_Store", "/etc/Thumbs.db"),
    ],
)
def test_member_that_would_lie_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    assert_refused(make_zip(tmp_path / "class.zip", {PHOTO: b"", name: b""}), "is not a plain path inside the folder")
    assert_refused(make_tar(tmp_path / "class.tar", [member(name)]), "is not a plain path inside the folder")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["class.tar", "class.zip", "project"]


@pytest.mark.parametrize(
    ("file_type", "rejection"),
    [
        (tarfile.SYMTYPE, "a link, expected files and folders"),
        (tarfile.LNKTYPE, "a link, expected files and folders"),
        (tarfile.FIFOTYPE, "a sparse file or a device, expected plain files"),
        (tarfile.CHRTYPE, "a sparse file or a device, expected plain files"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file or a device, expected plain files"),
    ],
)
def test_member_that_is_no_file_is_refused(tmp_path: Path, file_type: bytes, rejection: str) -> None:
    path = make_tar(tmp_path / "class.tar", [member(PHOTO), member("train/x", file_type, target="/etc/passwd")])
    assert_refused(path, f"'train/x' is {rejection}, nothing was unpacked")


def test_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("train/x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert_refused(tmp_path / "class.zip", "'train/x' is a link")


def test_ignored_member_is_counted_and_refuses_nothing(tmp_path: Path) -> None:
    """Whatever it is, and however often: it is not unpacked."""
    names = ("train/.link", "train/Icon\r", f"{PHOTO}:Zone.Identifier", "list.xlsx")
    types = (tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE, tarfile.LNKTYPE)
    ignored = [member(name, kind, target="/etc/passwd") for name, kind in zip(names, types, strict=True)]
    large = member("Thumbs.db", length=5000)
    path = make_tar(tmp_path / "class.tar", [member(PHOTO), *ignored, *ignored, large])
    with archives.open_photo_folder(path) as handed_in:
        found = contents(handed_in.path)
    assert found == dict.fromkeys(
        (PHOTO, "train/.link", "train/Icon_", f"{PHOTO}_Zone.Identifier", "list.xlsx", "Thumbs.db"), b""
    )


def test_type_is_told_by_the_first_bytes(tmp_path: Path) -> None:
    """A tar that ends with a zip, or a table, is no zip; nor is a zip within a program or behind a page."""
    inner = make_zip(tmp_path / "inner.zip", {"old/train/u009_1_left_m.jpg": b"old"}).read_bytes()
    last = member("class/backup.zip")
    last.size = len(inner)
    with tarfile.open(tmp_path / "class.zip", "w") as archive:
        archive.addfile(member(f"class/{PHOTO}"))
        archive.addfile(last, io.BytesIO(inner))
    with archives.open_photo_folder(tmp_path / "class.zip") as handed_in:
        assert contents(handed_in.path) == {PHOTO: b"", "backup.zip": inner}
    for start, text in {
        b"MZ": "a program, perhaps an archive",
        b"<!DOCTYPE html>": "a web page",
        b"x": "neither",
    }.items():
        (tmp_path / "class.zip").write_bytes(start + inner)
        assert_refused(tmp_path / "class.zip", f"{text}.*, nothing was unpacked\nunpack it and run `shoepair add`")


def test_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "class.zip", {PHOTO: b"x"})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)
    assert_refused(path, "is encrypted")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [(PHOTO, PHOTO), (PHOTO, f"{PHOTO}/"), (PHOTO, f"{PHOTO}/a"), (f"{PHOTO}/a", PHOTO)])
def test_member_twice_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "")
    assert_refused(tmp_path / "class.zip", "occurs twice, or as a file and as a folder")


def test_folder_that_is_named_before_after_and_twice_is_one(tmp_path: Path) -> None:
    path = make_tar(
        tmp_path / "class.tar",
        [
            member(".", tarfile.DIRTYPE),
            member("train", tarfile.DIRTYPE),
            member(PHOTO),
            member("train", tarfile.DIRTYPE),
        ],
    )
    with archives.open_photo_folder(path) as handed_in:
        assert list(contents(handed_in.path)) == [PHOTO]


def test_too_much_is_refused_by_what_comes_out(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "class.zip", {f"train/a/{number}": bytes(1000) for number in range(5)})
    assert_refused(path, "more than 6 files and folders, expected at most that", max_members=6)
    assert_refused(path, "more than 4999 bytes unpacked, expected at most that", max_bytes=4999)
    with archives.open_photo_folder(path, max_members=7, max_bytes=5000) as handed_in:
        assert len(contents(handed_in.path)) == 5


@pytest.mark.parametrize("pack", [make_zip, lambda path, _: make_tar(path, [member(PHOTO, length=5000)], "w:gz")])
def test_what_grows_more_than_photos_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    path = pack(tmp_path / "class", {PHOTO: bytes(5000)})
    monkeypatch.setattr(archives, "MIN_BYTES", 5000)
    with archives.open_photo_folder(path):
        pass
    monkeypatch.setattr(archives, "MIN_BYTES", 0)
    allowed = archives.MAX_RATIO * path.stat().st_size
    assert allowed < 5000
    assert_refused(path, f"more than {allowed} bytes unpacked, expected at most that")


def test_long_name_is_refused_and_shortened_in_the_message(tmp_path: Path) -> None:
    longest = "train/" + "a" * (archives.MAX_NAME_LENGTH - 6)
    with archives.open_photo_folder(make_tar(tmp_path / "class.tar", [member(longest)])) as handed_in:
        assert list(contents(handed_in.path)) == [longest]
    path = make_tar(tmp_path / "class.tar", [member("a" * 10_000)])
    with pytest.raises(ShoepairError, match=r"aaa\.\.\.' has a name of 10000 letters") as error:
        archives.open_photo_folder(path).__enter__()
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04 torn", b"\x1f\x8b torn", b"\xfd7zXZ\x00 torn", b"BZh torn"]
)
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "class.zip").write_bytes(content)
    assert_refused(
        tmp_path / "class.zip", r"class\.zip: (neither a folder nor|an empty file|not a complete zip or tar file)"
    )


def test_missing_path_is_reported(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none", "none: no such folder or file, expected class photos")


@pytest.mark.parametrize("pack", [lambda path: make_zip(path, {PHOTO: bytes(range(256)) * 8}),
                                  lambda path: make_tar(path, [member(PHOTO, length=2048)], "w:gz")])  # fmt: skip
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(data=st.data())
def test_damaged_archive_gives_one_error_or_its_files(
    tmp_path: Path, pack: Callable[[Path], Path], data: st.DataObject
) -> None:
    packed = bytearray(pack(tmp_path / "class").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "class").write_bytes(packed[: data.draw(st.integers(0, len(packed)))])
    with suppress(ShoepairError), archives.open_photo_folder(tmp_path / "class") as handed_in:
        assert len(contents(handed_in.path)) <= 1
