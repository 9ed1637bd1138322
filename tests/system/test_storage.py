"""Photos and stores that lie elsewhere: in another folder, or in a bucket of a server that answers as S3 does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import buckets
from support.buckets import ROOT
from support.buckets import server as server  # a fixture
from support.remote_photos import PHOTO, listed, refusal

from shoepair.data import store
from shoepair.runtime import paths, storage
from shoepair.runtime.errors import ShoepairError

EDGE = 32


@pytest.fixture
def bucket(project: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tiny project, its photos in a bucket too, which `SHOEPAIR_ROOT` names."""
    buckets.use(monkeypatch, server)
    buckets.upload(project)
    monkeypatch.setenv(storage.ROOT_VARIABLE, ROOT)
    yield project
    buckets.use(monkeypatch, server)  # a test may have changed that
    buckets.system().rm(buckets.BUCKET, recursive=True)
    buckets.forget()


def test_photos_come_from_the_bucket_in_order(bucket: Path) -> None:
    every = sorted(paths.raw_path("tiny").rglob("*.jpg"))
    wanted = [path.read_bytes() for path in every]
    photos = [listed(path) for path in every]
    for path in every:
        path.unlink()
    assert len(every) > 2 * storage.PHOTOS_PER_FETCH
    assert list(storage.read_photos(photos)) == wanted
    assert (bucket / paths.raw_path("tiny")).is_dir()


def test_another_file_than_the_projects_is_told(bucket: Path) -> None:
    photo = listed()
    (bucket / PHOTO).write_bytes((bucket / PHOTO).read_bytes()[::-1])
    buckets.upload(bucket)
    assert refusal(photo).startswith(f"{ROOT}/{PHOTO}: not the photo that was listed: found ")


def test_file_that_is_not_there_is_told(bucket: Path) -> None:
    photo = storage.PhotoFile(PHOTO.with_name("u999_1_left_m.jpg"), 9, "")
    assert refusal(photo) == f"{ROOT}/{photo.path}: missing"
    assert bucket.is_dir()


@pytest.mark.usefixtures("bucket")
def test_bucket_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(storage.ROOT_VARIABLE, "s3://no-such-shoes/class")
    assert refusal() == f"s3://no-such-shoes/class/{PHOTO}: no such bucket"


@pytest.mark.usefixtures("bucket")
def test_key_without_the_right_to_read_is_told(
    server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    import boto3
    import requests

    user = boto3.client("iam")
    user.create_user(UserName="guest")  # who may do nothing
    key = user.create_access_key(UserName="guest")["AccessKey"]
    requests.post(f"{server}/moto-api/reset-auth", data=b"0", timeout=5)  # from now on the server looks at keys
    request.addfinalizer(lambda: requests.post(f"{server}/moto-api/reset-auth", data=b"inf", timeout=5))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    buckets.forget()
    assert refusal().startswith(f"{ROOT}/{PHOTO}: no permission (")


@pytest.mark.usefixtures("bucket")
def test_no_key_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    buckets.forget()
    assert "Unable to locate credentials" in refusal()


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("listening", [True, False])
def test_server_that_does_not_answer_is_told_within_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, *, listening: bool
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listening:
            silent.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        buckets.forget()
        told = refusal()
    assert told == f"{ROOT}: no answer" or told.startswith(f"{ROOT}: cannot be read (Could not connect")


def written(students: int) -> Path:
    """A store of the project."""
    path = paths.store_path("tiny")
    rng = np.random.default_rng(1)
    names = [f"u{number:03}" for number in range(students)]
    store.write_store(path, names, (rng.integers(0, 256, (3, 2, EDGE, EDGE, 3), np.uint8) for _ in names), EDGE)
    return path


def test_store_in_the_bucket_is_read_by_parts(bucket: Path) -> None:
    path = written(60)
    rows = np.array([41, 3, 17, 59, 22])
    with store.Store(path) as here:
        wanted, names = here.read_students(rows), here.student_ids
    buckets.upload(bucket)
    length = path.stat().st_size
    path.unlink()
    with store.Store(path, use_remote_root=True) as there:
        np.testing.assert_array_equal(there.read_students(rows), wanted)
        assert there.student_ids == names
        assert there._remote is not None
        fetched = there._remote._file.cache.total_requested_bytes
    assert wanted.nbytes < fetched < storage.HEAD_BYTES + 1.01 * wanted.nbytes < length


def test_store_that_is_older_than_the_projects_is_told(bucket: Path) -> None:
    written(3)
    buckets.upload(bucket)
    path = written(4)
    with pytest.raises(ShoepairError, match=rf"^{ROOT}/{path}: [0-9,]+ bytes, but {path} of this project has [0-9,]+"):
        store.Store(path, use_remote_root=True)


def test_store_that_is_damaged_in_the_bucket_is_told_by_its_address(bucket: Path) -> None:
    path = written(3)
    buckets.system().pipe_file(f"{ROOT}/{path}", b"x" * path.stat().st_size)
    with pytest.raises(ShoepairError, match=rf"^{ROOT}/{path}: not an HDF5 file"):
        store.Store(path, use_remote_root=True)
    assert bucket.is_dir()


def test_store_that_vanishes_while_it_is_read_is_told(bucket: Path) -> None:
    path = written(60)
    buckets.upload(bucket)
    with store.Store(path, use_remote_root=True) as there:
        buckets.system().rm(f"{ROOT}/{path}")
        with pytest.raises(ShoepairError, match=rf"^{ROOT}/{path}: missing"):
            there.read_students([59])
