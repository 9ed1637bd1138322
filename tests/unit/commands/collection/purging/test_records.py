"""DVC's records: dvc.lock, .dvc files, entries of the run cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from support.settings import write

from shoepair.commands import dvc_records
from shoepair.commands.collection.purging import records
from shoepair.commands.collection.purging.records import StageRecord
from shoepair.runtime import file_digests

A, B, LISTING = "a" * 32, "b" * 32, f"{'c' * 32}.dir"
ENTRY = f"cmd: x\ndeps:\n- path: data/a\n  md5: {A}\nouts:\n- path: data/b\n  md5: {B}\n"
RECORD = StageRecord("", (("data/a", A),), (("data/b", B),))


def test_every_kind_of_record_is_read() -> None:
    lock = "schema: '2.0'\nstages:\n  train@cnn:\n    " + ENTRY.strip().replace("\n", "\n    ")
    assert records.parse_records(lock.encode()) == (StageRecord("train@cnn", RECORD.deps, RECORD.outs),)
    assert records.parse_records(ENTRY.encode()) == (RECORD,)
    dvc_file = f"outs:\n- md5: {LISTING}\n  path: winter\n".encode()
    assert records.parse_records(dvc_file) == (StageRecord("", (), (("winter", LISTING),)),)
    assert records.parse_records(dvc_file)[0].digests == {LISTING}


@pytest.mark.parametrize(
    "content", [b"", b"outs: [", b"outs:\n- 3\n", b"outs: 7", b"[1] # outs:", b"\xffouts:", b"outs:\n- {path: a}\n"]
)
def test_other_files_are_no_records(content: bytes) -> None:
    assert records.parse_records(content) == ()


def test_path_in_a_dvc_file_is_that_from_the_project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(Path("data/raw/winter.dvc"), f"outs:\n- md5: {LISTING}\n  path: winter\n")
    assert records.read_files([path]) == [(StageRecord("", (), (("data/raw/winter", LISTING),)),)]


def test_listing_has_the_digest_that_dvc_gives_it() -> None:
    files = {"train/u2.jpg": A, "train/u10.jpg": B, "a.txt": A}
    tree = Tree()  # type: ignore[no-untyped-call]
    for path, digest in files.items():
        tree.add(tuple(path.split("/")), None, HashInfo("md5", digest))
    tree.digest()
    assert file_digests.hash_listing(files) == tree.oid
    assert dvc_records.parse_listing(tree.as_bytes()) == files
    assert dvc_records.parse_listing(b"[1]") is None
    assert dvc_records.parse_listing(b"no listing") is None
