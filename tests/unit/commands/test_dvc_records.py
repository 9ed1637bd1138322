"""The DVC records of the current directory, read without git and DVC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.settings import write

from shoepair.commands import dvc_records
from shoepair.runtime.errors import ShoepairError

LOCK = """
schema: '2.0'
stages:
  ingest@a:
    cmd: python -m stages.ingest a
    deps: [{path: data/raw/a, md5: 11.dir}, {path: shoepair/data, md5: 22.dir}]
    outs: [{path: data/manifest/a.parquet, md5: '33'}, {path: far, etag: x}]
  train@cnn:
    cmd: python -m stages.train cnn
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_outputs_are_those_of_stages_and_the_photos_of_batches() -> None:
    write(dvc_records.LOCK_PATH, LOCK)
    write(dvc_records.dvc_file_path("a"), "outs:\n- {md5: 11.dir, nfiles: 6, path: a}\n")
    write(dvc_records.dvc_file_path("b"), "outs:\n- {md5: 44.dir, path: b}\n")
    table, raw = Path("data/manifest/a.parquet"), Path("data/raw")
    assert dvc_records.read_digest_by_path("outs") == {raw / "a": "11.dir", raw / "b": "44.dir", table: "33"}
    assert dvc_records.read_digest_by_path("deps") == {raw / "a": "11.dir", Path("shoepair/data"): "22.dir"}
    assert dvc_records.read_used_digests() == {"11.dir", "22.dir", "33", "44.dir"}


def test_project_without_records_has_nothing_in_use() -> None:
    assert dvc_records.read_digest_by_path("outs") == dvc_records.read_digest_by_path("deps") == {}
    assert dvc_records.read_used_digests() == set()
    write(dvc_records.LOCK_PATH, "schema: '2.0'\n")
    assert dvc_records.read_used_digests() == set()


@pytest.mark.parametrize(
    "content", [b"", b"- 1\n", b"stages: {a: [", b"\xff\xfe"], ids=["empty", "list", "torn", "bytes"]
)
@pytest.mark.parametrize("path", [dvc_records.LOCK_PATH, dvc_records.dvc_file_path("a")], ids=str)
def test_damaged_record_is_named(path: Path, content: bytes) -> None:
    write(path, content)
    with pytest.raises(ShoepairError, match=f"^{path}: not a DVC record\nrun `shoepair doctor`, or `git checkout`"):
        dvc_records.read_digest_by_path("outs")


def test_listing_of_a_cached_folder_names_its_files() -> None:
    entries = [{"md5": "55", "relpath": "train/u001_1_left_m.jpg"}, {"md5": "55", "relpath": "train/copy.jpg"}]
    cached = write(Path("cache/ab/cdef.dir"), json.dumps(entries))
    assert dvc_records.read_cached_folder_digests(cached) == {"train/u001_1_left_m.jpg": "55", "train/copy.jpg": "55"}
    assert dvc_records.digest_from_cache_path(cached) == "abcdef.dir"


@pytest.mark.parametrize("content", ["", "{}{", "[1]", '[{"md5": "1"}]', "3"])
def test_cached_file_that_is_no_listing_is_named(content: str) -> None:
    cached = write(Path("cache/ab/cdef.dir"), content)
    with pytest.raises(ShoepairError, match=r"cdef\.dir: not a listing of DVC's cache\ndelete it and run `dvc repro`"):
        dvc_records.read_cached_folder_digests(cached)
