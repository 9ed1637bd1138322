"""Recorded digests against a workspace and a cache made by hand."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.settings import write

from shoepair.commands import dvc_records
from shoepair.commands.history import verify
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

CACHE = Path(".dvc/cache/files/md5")
REPOSITORY: Any = SimpleNamespace(
    cache=SimpleNamespace(local=SimpleNamespace(path=CACHE)),
    dvcignore=SimpleNamespace(is_ignored_file=lambda path: path.endswith(".part")),
)
RAW, TABLE, CODE = paths.raw("a"), paths.table("a"), Path("stages/ingest.py")
PHOTOS = {"train/u001_1_left_m.jpg": b"left", "train/u001_1_right_m.jpg": b"right"}


def digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def listing() -> bytes:
    """The folder of the photos as DVC writes it down."""
    return json.dumps([{"md5": digest(content), "relpath": name} for name, content in PHOTOS.items()]).encode()


FOLDER = f"{digest(listing())}.dir"


def cached(name: str) -> Path:
    return CACHE / name[:2] / name[2:]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound project: two photos, a table made of them by a stage, all of it in the cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verify, "Repo", lambda: nullcontext(REPOSITORY))
    for name, content in PHOTOS.items():
        write(RAW / name, content)
        write(cached(digest(content)), content)
    write(cached(FOLDER), listing())
    for path in (TABLE, CODE):
        write(path, str(path))
    write(cached(digest(bytes(TABLE))), str(TABLE))
    deps = f"[{{path: {CODE}, md5: {digest(bytes(CODE))}}}, {{path: {RAW}, md5: {FOLDER}}}]"
    outs = f"[{{path: {TABLE}, md5: {digest(bytes(TABLE))}}}]"
    write(dvc_records.LOCK, f"stages: {{ingest@a: {{deps: {deps}, outs: {outs}}}}}")
    write(dvc_records.file("a"), f"outs: [{{path: a, md5: {FOLDER}}}]")


def problems() -> list[str]:
    return verify.verify().problems


def test_sound_project_is_read_whole() -> None:
    report = verify.verify()
    assert (report.files, report.cached, report.problems) == (4, 4, [])


def test_digest_is_that_of_md5(tmp_path: Path) -> None:
    assert verify.md5(write(tmp_path / "empty", b"")) == "d41d8cd98f00b204e9800998ecf8427e"
    assert verify.md5(write(tmp_path / "abc", b"abc")) == "900150983cd24fb0d6963f7d28e17f72"


def test_each_kind_of_file_gets_the_advice_that_helps_it() -> None:
    TABLE.write_text("changed")
    CODE.unlink()
    (RAW / "train/u001_1_left_m.jpg").write_bytes(b"other")
    undo = "`dvc checkout data/raw/a` brings the recorded one back"
    assert problems() == [
        "stages/ingest.py: missing; `dvc repro` works with it as it is",
        "data/table/a.parquet: changed since it was recorded; `dvc checkout data/table/a.parquet` brings the recorded"
        " one back, or `dvc repro` makes it anew",
        "data/raw/a/train/u001_1_left_m.jpg: changed since data/raw/a was recorded; `dvc add data/raw/a` takes it as"
        f" it is, {undo}",
    ]


@pytest.mark.parametrize("known", [True, False], ids=["listing", "no listing"])
def test_folder_without_its_listing_is_compared_as_a_whole_and_passes_over_the_same_files(known: bool) -> None:
    if not known:
        cached(FOLDER).unlink()
    write(RAW / ".half.part", b"ignored")
    assert problems() == []
    write(RAW / "a\nb", b"new")
    (problem,) = problems()
    assert problem.startswith(
        "data/raw/a/a\\nb: new since data/raw/a was" if known else "data/raw/a: changed since it"
    )


def test_folder_is_not_told_again_for_a_file_in_it_that_has_a_record_of_its_own() -> None:
    inner = f"{{path: {RAW}/train/u001_1_left_m.jpg, md5: {digest(b'left')}}}"
    lock = dvc_records.LOCK.read_text()
    dvc_records.LOCK.write_text(lock.replace("deps: [", f"deps: [{inner}, "))
    assert problems() == []
    (RAW / "train/u001_1_left_m.jpg").write_bytes(b"other")
    assert [problem.split(";")[0] for problem in problems()] == [
        "data/raw/a/train/u001_1_left_m.jpg: changed since it was recorded"
    ]


def test_folder_where_a_file_was_and_file_where_a_folder_was_are_told() -> None:
    TABLE.unlink()
    write(TABLE / "inside", b"")
    for path in sorted(RAW.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    RAW.rmdir()
    RAW.write_bytes(b"")
    told = [problem.split(";")[0] for problem in problems()]
    assert told[0] == "data/table/a.parquet: changed since it was recorded"
    assert told[1:] == [f"data/raw/a/{name}: missing since data/raw/a was recorded" for name in PHOTOS]


def test_cached_file_of_another_content_is_told_and_a_torn_listing_is_not_believed() -> None:
    cached(digest(b"left")).write_bytes(b"other")
    cached(FOLDER).write_bytes(b"[]")
    report = verify.verify()
    places = sorted(str(cached(name)) for name in (digest(b"left"), FOLDER))
    assert [problem.split("; ")[0] for problem in report.problems] == [
        f"{place}: its content is not what its name says" for place in places
    ]
    assert (report.files, report.cached) == (4, 4)


def test_torn_record_ends_the_verification() -> None:
    dvc_records.LOCK.write_text("stages: [")
    with pytest.raises(ShoepairError, match=r"^dvc\.lock: not a record of DVC's"):
        verify.verify()
