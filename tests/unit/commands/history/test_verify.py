"""Recorded digests compared with a hand-made workspace and cache."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.settings import write

from shoepair.commands import dvc_records, version_control
from shoepair.commands.history import verify
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

CACHE = Path(".dvc/cache/files/md5")
REPOSITORY: Any = SimpleNamespace(
    cache=SimpleNamespace(local=SimpleNamespace(path=CACHE)),
    stage_cache=SimpleNamespace(cache_dir=".dvc/cache/runs"),
    dvcignore=SimpleNamespace(is_ignored_file=lambda path: path.endswith(".part")),
    index=SimpleNamespace(outs=[]),
)
RAW, TABLE, CODE = paths.raw_path("a"), paths.manifest_path("a"), Path("stages/ingest.py")
PHOTOS = {"train/u001_1_left_m.jpg": b"left", "train/u001_1_right_m.jpg": b"right"}


def digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def listing() -> bytes:
    """Return the listing of the photo folder as DVC writes it."""
    return json.dumps([{"md5": digest(content), "relpath": name} for name, content in PHOTOS.items()]).encode()


FOLDER = f"{digest(listing())}.dir"


def cached(name: str) -> Path:
    return CACHE / name[:2] / name[2:]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An intact project: two photos, a table made of them by a stage, all of it in the cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(version_control, "open_repo", lambda: nullcontext(REPOSITORY))
    for name, content in PHOTOS.items():
        write(RAW / name, content)
        write(cached(digest(content)), content)
    write(cached(FOLDER), listing())
    for path in (TABLE, CODE):
        write(path, str(path))
    write(cached(digest(bytes(TABLE))), str(TABLE))
    deps = f"[{{path: {CODE}, md5: {digest(bytes(CODE))}}}, {{path: {RAW}, md5: {FOLDER}}}]"
    outs = f"[{{path: {TABLE}, md5: {digest(bytes(TABLE))}}}]"
    write(dvc_records.LOCK_PATH, f"stages: {{ingest@a: {{deps: {deps}, outs: {outs}}}}}")
    write(dvc_records.dvc_file_path("a"), f"outs: [{{path: a, md5: {FOLDER}}}]")


def problems() -> list[str]:
    return verify.verify_file_digests().problems


def test_intact_project_is_read_completely() -> None:
    result = verify.verify_file_digests()
    assert (result.checked_files, result.checked_cache_files, result.problems) == (4, 4, [])


def test_advice_depends_on_the_type_of_file() -> None:
    TABLE.write_text("changed")
    CODE.unlink()
    (RAW / "train/u001_1_left_m.jpg").write_bytes(b"other")
    undo = "`dvc checkout data/raw/a` restores the recorded one"
    assert problems() == [
        "stages/ingest.py: missing; `dvc repro` uses it as it is",
        "data/raw/a/train/u001_1_left_m.jpg: changed since data/raw/a was recorded; `dvc add data/raw/a` records it as"
        f" it is, {undo}",
        "data/manifest/a.parquet: changed since it was recorded; `dvc checkout data/manifest/a.parquet` restores the"
        " recorded one, or `dvc repro` recreates it",
    ]


def test_output_that_dvc_does_not_cache_is_recreated_and_not_checked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    out = SimpleNamespace(fs_path=str(TABLE.absolute()), use_cache=False)
    monkeypatch.setattr(REPOSITORY, "index", SimpleNamespace(outs=[out]))
    TABLE.unlink()
    result = verify.verify_file_digests()
    assert result.problems == [], "as in every clone"
    assert result.missing_uncached == [
        "data/manifest/a.parquet: not here, DVC does not cache it; `dvc repro` makes it anew"
    ]


def test_uncached_output_that_git_has_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Path("metrics/split.json")
    out = SimpleNamespace(fs_path=str(metrics.absolute()), use_cache=False)
    monkeypatch.setattr(REPOSITORY, "index", SimpleNamespace(outs=[out]))
    lock = dvc_records.LOCK_PATH.read_text()
    dvc_records.LOCK_PATH.write_text(lock.replace("outs: [", f"outs: [{{path: {metrics}, md5: {digest(b'1')}}}, ", 1))
    assert problems() == ["metrics/split.json: missing; `dvc repro` recreates it"]


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


def test_folder_is_not_reported_again_for_a_file_with_a_separate_record() -> None:
    inner = f"{{path: {RAW}/train/u001_1_left_m.jpg, md5: {digest(b'left')}}}"
    lock = dvc_records.LOCK_PATH.read_text()
    dvc_records.LOCK_PATH.write_text(lock.replace("deps: [", f"deps: [{inner}, "))
    assert problems() == []
    (RAW / "train/u001_1_left_m.jpg").write_bytes(b"other")
    assert [problem.split(";")[0] for problem in problems()] == [
        "data/raw/a/train/u001_1_left_m.jpg: changed since it was recorded"
    ]


def test_file_and_folder_that_replace_each_other_are_reported() -> None:
    TABLE.unlink()
    write(TABLE / "inside", b"")
    for path in sorted(RAW.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    RAW.rmdir()
    RAW.write_bytes(b"")
    lines = [problem.split(";")[0] for problem in problems()]
    assert lines[-1] == "data/manifest/a.parquet: changed since it was recorded"
    assert lines[:-1] == [f"data/raw/a/{name}: missing since data/raw/a was recorded" for name in PHOTOS]


def test_changed_cached_file_is_reported_and_a_damaged_listing_is_not_used() -> None:
    cached(digest(b"left")).write_bytes(b"other")
    cached(FOLDER).write_bytes(b"[]")
    result = verify.verify_file_digests()
    cache_paths = sorted(str(cached(name)) for name in (digest(b"left"), FOLDER))
    assert [problem.split("; ")[0] for problem in result.problems] == [
        f"{path}: its content does not match its name" for path in cache_paths
    ]
    assert (result.checked_files, result.checked_cache_files) == (4, 4)


def test_damaged_record_ends_the_verification() -> None:
    dvc_records.LOCK_PATH.write_text("stages: [")
    with pytest.raises(ShoepairError, match=r"^dvc\.lock: not a DVC record"):
        verify.verify_file_digests()
