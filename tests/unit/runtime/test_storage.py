"""Photos are read once and compared with their table; from the project, another folder, or a bucket."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.buckets import ROOT
from support.buckets import server as server  # a fixture
from support.remote_photos import PHOTO, listed, refusal

from shoepair.runtime import storage
from shoepair.runtime.errors import ShoepairError

LOCAL, MOUNTED, OUTSIDE = "in the project", "in a mounted folder", "outside of the project"


@pytest.fixture(params=[LOCAL, MOUNTED, OUTSIDE])
def place(request: pytest.FixtureRequest, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Path of a photo in the tables; the bytes lie there, or under the root."""
    monkeypatch.delenv(storage.ROOT_VARIABLE, raising=False)
    if request.param == MOUNTED:
        target = tmp_path / "mounted" / PHOTO
        target.parent.mkdir(parents=True)
        (project / PHOTO).rename(target)
        monkeypatch.setenv(storage.ROOT_VARIABLE, f"{tmp_path / 'mounted'}/")
    if request.param == OUTSIDE:
        monkeypatch.setenv(storage.ROOT_VARIABLE, str(tmp_path / "nowhere"))  # a class that is being added
        return project / PHOTO  # absolute
    return PHOTO


def file_of(place: Path, tmp_path: Path) -> Path:
    """Where the bytes of a photo lie."""
    return next(path for path in (tmp_path / "mounted" / place, place) if path.is_file())


def list_file(place: Path, tmp_path: Path) -> storage.PhotoFile:
    return replace(listed(file_of(place, tmp_path)), path=place)


def test_content_of_the_listed_photo_is_yielded(place: Path, tmp_path: Path) -> None:
    photo = list_file(place, tmp_path)
    assert list(storage.read_photos([photo])) == [file_of(place, tmp_path).read_bytes()]


def test_photo_of_other_bytes_is_refused(place: Path, tmp_path: Path) -> None:
    photo, path = list_file(place, tmp_path), file_of(place, tmp_path)
    content = path.read_bytes()
    status = path.stat()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # length and times as before
    found, expected = (hashlib.sha256(each).hexdigest()[:12] for each in (path.read_bytes(), content))
    with pytest.raises(ShoepairError) as caught:
        list(storage.read_photos([photo]))
    first, fix = str(caught.value).splitlines()
    length = f"{len(content):,} bytes"
    assert first.endswith(
        f"not the photo that was listed: found {length} with SHA-256 {found}, "
        f"expected {length} with SHA-256 {expected}"
    )
    assert place.as_posix() in first
    assert fix in {
        "put the photo back, or run `dvc repro` to go on with the files that are there now",
        f"upload {PHOTO} of this project again",
        "run the command again, when no other program changes these files",
    }


@pytest.mark.parametrize("change", ["longer", "shorter", "empty"])
def test_photo_of_another_length_is_refused(place: Path, tmp_path: Path, change: str) -> None:
    photo, path = list_file(place, tmp_path), file_of(place, tmp_path)
    content = path.read_bytes()
    path.write_bytes({"longer": content + content, "shorter": content[:-1], "empty": b""}[change])
    with pytest.raises(ShoepairError) as caught:
        list(storage.read_photos([photo]))
    message = str(caught.value)
    assert len(message.splitlines()) == 2
    assert f"{place.as_posix()}: not the photo that was listed: found " in message


def test_missing_photo_is_named(place: Path, tmp_path: Path) -> None:
    photo = list_file(place, tmp_path)
    file_of(place, tmp_path).unlink()
    try:
        list(storage.read_photos([photo]))
    except FileNotFoundError as error:  # not in a mounted folder
        message = str(storage.explain_missing_photo(error))
    except ShoepairError as error:
        message = str(error)
    assert f"{place.as_posix()}: missing" in message
    assert len(message.splitlines()) == 2


def test_photo_that_grows_while_it_is_read_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = listed()
    monkeypatch.delenv(storage.ROOT_VARIABLE, raising=False)
    opened = Path.open

    def open_after_growth(path: Path, mode: str) -> object:
        with opened(path, "ab") as file:
            file.write(bytes(1000))
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", open_after_growth)
    assert f"found more than {photo.length:,} bytes" in refusal(photo)
    assert project.is_dir()


def test_pipe_in_the_place_of_a_photo_is_refused_and_not_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = listed()
    monkeypatch.delenv(storage.ROOT_VARIABLE, raising=False)
    (project / PHOTO).unlink()
    os.mkfifo(project / PHOTO)
    assert "found 0 bytes" in refusal(photo)


def test_photos_are_listed_with_the_columns_of_a_table() -> None:
    rows = pd.DataFrame({"path": ["train/a.jpg"], "bytes": [7], "sha256": ["12"]})
    assert storage.list_photo_files(Path("raw"), rows) == [storage.PhotoFile(Path("raw/train/a.jpg"), 7, "12")]


def test_unknown_protocol_is_reported(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(storage.ROOT_VARIABLE, "ftps3://shoes")
    assert refusal() == "SHOEPAIR_ROOT=ftps3://shoes: Protocol not known: ftps3"
    assert project.is_dir()


def test_missing_package_is_reported_with_the_command(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import _registry

    monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were not installed
    monkeypatch.delitem(_registry, "s3", raising=False)
    storage._file_system.cache_clear()
    monkeypatch.setenv(storage.ROOT_VARIABLE, ROOT)
    with pytest.raises(ShoepairError, match=r"SHOEPAIR_ROOT=s3://shoes/class: .*\n.*pip install -e '\.\[s3\]'"):
        list(storage.read_photos([listed()]))
    assert project.is_dir()
