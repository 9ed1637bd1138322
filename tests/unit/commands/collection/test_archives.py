"""Archives that are handed in: what is unpacked, and what is refused and why."""

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
from shoepair.runtime.errors import ShoepairError

PHOTO = "train/u001_1_left_m.jpg"


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, members: list[tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, length: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, length, target
    return info


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(path: Path, match: str, **limits: int) -> None:
    with pytest.raises(ShoepairError, match=match), archives.opened(path, **limits):
        pytest.fail("it was opened")


@pytest.mark.parametrize("wrapped", ["", "class/", "a/b/"])
def test_zip_and_tar_give_what_was_packed(tmp_path: Path, wrapped: str) -> None:
    wanted = {PHOTO: b"left", "test_m/u002_1_left_m.jpg": b"right", "test_m/.DS_Store": b"junk"}
    packed = {wrapped + name: content for name, content in wanted.items()}
    paths = [zipped(tmp_path / "class.zip", packed)]
    for suffix, mode in {"tar": "w", "tgz": "w:gz", "tar.bz2": "w:bz2", "jpg": "w:xz"}.items():
        path = tmp_path / f"class.{suffix}"
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for name, content in packed.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        paths.append(path)
    for path in paths:
        with archives.opened(path) as folder:
            assert contents(folder) == wanted, path.name
        assert not folder.exists()


def test_folder_is_given_as_it_is(tmp_path: Path) -> None:
    with archives.opened(tmp_path) as folder:
        assert folder == tmp_path


def test_set_that_is_the_only_folder_is_not_taken_for_a_wrapper(tmp_path: Path) -> None:
    with archives.opened(zipped(tmp_path / "class.zip", {PHOTO: b"x", "__MACOSX/train/._u001": b"y"})) as folder:
        assert (folder / PHOTO).is_file()


@pytest.mark.parametrize(
    "name", ["../u001.jpg", "train/../../u001.jpg", "/etc/u001.jpg", "train\\u001.jpg", "C:u001.jpg"]
)
def test_member_that_would_lie_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    refused(zipped(tmp_path / "class.zip", {PHOTO: b"", name: b""}), "is no plain path inside the folder")
    refused(tarred(tmp_path / "class.tar", [member(name)]), "is no plain path inside the folder")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["class.tar", "class.zip"]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.FIFOTYPE, "a sparse file or a device"),
        (tarfile.CHRTYPE, "a sparse file or a device"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file or a device"),
    ],
)
def test_member_that_is_no_file_is_refused(tmp_path: Path, kind: bytes, what: str) -> None:
    path = tarred(tmp_path / "class.tar", [member(PHOTO), member("train/x", kind, target="/etc/passwd")])
    refused(path, f"'train/x' is {what}, expected files and folders, nothing was unpacked")


def test_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("train/x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    refused(tmp_path / "class.zip", "'train/x' is a link")


def test_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "class.zip", {PHOTO: b"x"})
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    path.write_bytes(data)
    refused(path, "is encrypted")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(PHOTO, "a")
        archive.writestr(PHOTO, "b")
    refused(tmp_path / "class.zip", "is there twice")


def test_too_much_is_refused_by_what_comes_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "class.zip", {f"train/{number}": bytes(1000) for number in range(5)})
    refused(path, "more than 4 members, expected at most that", members=4)
    refused(path, "more than 4999 bytes unpacked, expected at most that", limit=4999)
    with archives.opened(path, members=5, limit=5000) as folder:
        assert len(contents(folder)) == 5


def test_header_of_a_claimed_length_is_not_read(tmp_path: Path) -> None:
    path = tarred(tmp_path / "class.tar.gz", [member("x" * 200, tarfile.XHDTYPE)], "w:gz")
    info = member("././@PaxHeader", tarfile.XHDTYPE)
    info.size = archives.HEADER * 4
    with tarfile.open(path, "w:gz") as archive:
        archive.fileobj.write(info.tobuf(tarfile.GNU_FORMAT))
    refused(path, r"not a whole zip or tar file \(a header of \d+ bytes\)")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04 torn", b"\x1f\x8b torn", b"\xfd7zXZ\x00 torn", b"BZh torn"]
)
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "class.zip").write_bytes(content)
    refused(tmp_path / "class.zip", r"class\.zip: (neither a folder nor|an empty file|not a whole zip or tar file)")


def test_nothing_at_the_path_is_told(tmp_path: Path) -> None:
    refused(tmp_path / "none", "none: no such folder or file, expected class photos")


@pytest.mark.parametrize("pack", [lambda path: zipped(path, {PHOTO: bytes(range(256)) * 8}),
                                  lambda path: tarred(path, [member(PHOTO, length=2048)], "w:gz")])  # fmt: skip
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(data=st.data())
def test_damaged_archive_gives_one_error_or_its_files(
    tmp_path: Path, pack: Callable[[Path], Path], data: st.DataObject
) -> None:
    whole = bytearray(pack(tmp_path / "class").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "class").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with suppress(ShoepairError), archives.opened(tmp_path / "class") as folder:
        assert len(contents(folder)) <= 1
