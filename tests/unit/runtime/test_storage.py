"""Photos and stores that lie elsewhere: in another folder, or in a bucket of a server that answers as S3 does."""

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
    monkeypatch.delenv(storage.ROOT, raising=False)
    assert list(storage.opened([listed()])) == [PHOTO]
    assert (project / PHOTO).is_file()


def test_class_that_is_not_of_the_project_is_read_where_it_is(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(storage.ROOT, str(tmp_path / "nowhere"))
    elsewhere = project / PHOTO  # an absolute path, as a class has that is being added
    assert list(storage.opened([storage.Listed(elsewhere, "")])) == [elsewhere]


def test_photo_is_read_in_the_folder_that_the_root_names(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, there = listed(), tmp_path / "mounted" / PHOTO
    there.parent.mkdir(parents=True)
    (project / PHOTO).rename(there)
    monkeypatch.setenv(storage.ROOT, f"{tmp_path / 'mounted'}/")
    assert [content(got) for got in storage.opened([photo])] == [there.read_bytes()]


def test_address_of_no_known_kind_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(storage.ROOT, "ftps3://shoes")
    assert refusal() == "SHOEPAIR_ROOT=ftps3://shoes: Protocol not known: ftps3"
    assert project.is_dir()


def test_package_that_is_not_installed_is_told_with_the_command(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.registry import _registry

    monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were not installed
    monkeypatch.delitem(_registry, "s3", raising=False)
    storage._system.cache_clear()
    monkeypatch.setenv(storage.ROOT, ROOT)
    with pytest.raises(ShoepairError, match=r"SHOEPAIR_ROOT=s3://shoes/class: .*\n.*pip install 'shoepair\[s3\]'"):
        list(storage.opened([listed()]))
    assert project.is_dir()
