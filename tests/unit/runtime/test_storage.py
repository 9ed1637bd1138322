"""Remote photos: in another folder, or in a bucket of an S3 server."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.buckets import ROOT
from support.buckets import server as server  # a fixture
from support.remote_photos import PHOTO, content, listed, refusal

from shoepair.runtime import storage
from shoepair.runtime.errors import ShoepairError


def test_photo_is_read_in_the_project_where_no_root_is_set(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(storage.ROOT_VARIABLE, raising=False)
    assert list(storage.iter_opened_photos([listed()])) == [PHOTO]
    assert (project / PHOTO).is_file()


def test_class_outside_of_the_project_is_read_locally(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(storage.ROOT_VARIABLE, str(tmp_path / "nowhere"))
    path = project / PHOTO  # absolute, as in a class that is being added
    assert list(storage.iter_opened_photos([storage.PhotoFile(path, "")])) == [path]


def test_photo_is_read_in_the_folder_that_the_root_names(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, path = listed(), tmp_path / "mounted" / PHOTO
    path.parent.mkdir(parents=True)
    (project / PHOTO).rename(path)
    monkeypatch.setenv(storage.ROOT_VARIABLE, f"{tmp_path / 'mounted'}/")
    assert [content(opened) for opened in storage.iter_opened_photos([photo])] == [path.read_bytes()]


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
    with pytest.raises(ShoepairError, match=r"SHOEPAIR_ROOT=s3://shoes/class: .*\n.*pip install 'shoepair\[s3\]'"):
        list(storage.iter_opened_photos([listed()]))
    assert project.is_dir()
