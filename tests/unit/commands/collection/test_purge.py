"""Purge of a hand-made cache: which files hold data of a student."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.settings import write

from shoepair.commands import dvc_records
from shoepair.commands.collection import purge, withdrawn
from shoepair.commands.dvc_records import DatasetVersion
from shoepair.data import store
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

CACHE, RUNS = Path(".dvc/cache/files/md5"), Path(".dvc/cache/runs")
REPOSITORY: Any = SimpleNamespace(
    cache=SimpleNamespace(local=SimpleNamespace(path=CACHE), legacy=SimpleNamespace(path=RUNS.parent)),
    config={"remote": {"store": {}}},
)
WEIGHTS = b"\x40\0\0\0\0\0\0\0" + b'{"u052": 1}'


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project whose student u052 withdrew from batch `a`; DVC has nothing in it yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(purge, "Repo", lambda: nullcontext(REPOSITORY))
    set_history()
    withdrawn.record_withdrawal("a", "u052")
    monkeypatch.setattr(dvc_records, "iter_versions", lambda: versions)


versions: list[DatasetVersion] = []


def set_history(*entries: DatasetVersion) -> None:
    """Make these the only versions in git."""
    versions[:] = entries


def version(number: int, *models: str, **raw: str) -> DatasetVersion:
    return DatasetVersion(f"c{number}", "2026-11-24", "Train", raw, models)


def add_to_cache(content: bytes | str, folder: bool = False) -> str:
    """Put a file into the cache, under its digest."""
    data = content.encode() if isinstance(content, str) else content
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    write(CACHE / digest[:2] / f"{digest[2:]}{'.dir' if folder else ''}", data)
    return f"{digest}.dir" if folder else digest


def cache_folder(*names: str) -> str:
    """Put a folder with photos of these names into the cache, each photo of its own content."""
    return add_to_cache(
        json.dumps([{"md5": add_to_cache(f"photo {name}"), "relpath": f"train/{name}"} for name in names]), folder=True
    )


def table(**columns: list[str]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(columns).to_parquet(file)
    return file.getvalue()


def store_bytes(*students: str) -> bytes:
    path = Path("students.h5")
    store.write_store(path, list(students), (np.zeros((3, 2, 16, 16, 3), np.uint8) for _ in students), 16)
    content = path.read_bytes()
    path.unlink()
    return content


def plot_png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return file.getvalue()


def cached_digests() -> set[str]:
    """Return the digests of all files in the cache."""
    return {dvc_records.digest_from_cache_path(path) for path in CACHE.glob("??/*")}


def test_all_files_with_data_of_the_student_are_deleted_and_no_others() -> None:
    photos = cache_folder("u052_1_left_m.jpg", "u0521_1_left_m.jpg", "U052 copy.jpg")
    set_history(version(1, a=photos))
    by_type = {
        "listing": [photos],
        "photo": [add_to_cache("photo u052_1_left_m.jpg"), add_to_cache("photo U052 copy.jpg")],
        "table": [
            add_to_cache(table(batch=["b", "a"], student=["u001", "u052"])),
            add_to_cache(table(path=["train/u052_1_left_m.jpg"])),
            add_to_cache(b"PAR1, but torn"),
        ],
        "store": [add_to_cache(store_bytes("u001", "u052")), add_to_cache(b"\x89HDF, but torn")],
        "text": [add_to_cache("quarantined: U052: 5 photos"), add_to_cache("a page with data:image/png;base64,AAAA")],
        "picture": [add_to_cache(plot_png())],
    }
    add_to_cache("photo u0521_1_left_m.jpg")
    add_to_cache(table(batch=["b", "a"], student=["u052", "u0521"]))
    add_to_cache(store_bytes("u001"))
    add_to_cache("u0521, xu052 and u05 2")
    add_to_cache(WEIGHTS)
    to_delete = {digest for digests in by_type.values() for digest in digests}
    others = cached_digests() - to_delete
    length = sum(
        path.stat().st_size for path in CACHE.glob("??/*") if dvc_records.digest_from_cache_path(path) in to_delete
    )
    purged = purge.purge_withdrawn_students()
    counts = {file_type: len(digests) for file_type, digests in by_type.items()}
    assert {file_type: count for file_type, count in purged.deleted_counts.items() if count} == counts
    assert purged.freed_bytes == length
    assert cached_digests() == others
    assert len(others) == 5
    again = purge.purge_withdrawn_students()
    assert (+again.deleted_counts, again.freed_bytes) == (Counter(), 0)


def test_what_is_in_use_stays_with_the_files_of_folders_in_use() -> None:
    photos, picture = cache_folder("u001_1_left_m.jpg"), add_to_cache(plot_png())
    plots = add_to_cache(json.dumps([{"md5": picture, "relpath": "pair.png"}]), folder=True)
    write(dvc_records.LOCK_PATH, f"stages: {{report: {{outs: [{{path: plots, md5: {plots}}}]}}}}")
    write(dvc_records.dvc_file_path("a"), f"outs: [{{path: a, md5: {photos}}}]")
    before = cached_digests()
    assert +purge.purge_withdrawn_students().deleted_counts == Counter()
    assert cached_digests() == before


def test_student_of_the_same_number_in_another_batch_stays_and_in_a_listing_of_no_known_batch_does_not() -> None:
    other, unknown = cache_folder("u052_1_left_m.jpg"), cache_folder("u052_2_left_m.jpg")
    set_history(version(1, b=other))
    assert purge.purge_withdrawn_students().deleted_counts == {"listing": 1, "photo": 1, "fold": 0, "run": 0}
    assert cached_digests() == {other, add_to_cache("photo u052_1_left_m.jpg")}
    assert unknown not in cached_digests()


def test_runs_and_folds_of_the_student_are_forgotten_and_those_of_others_kept() -> None:
    text = add_to_cache("u052")
    runs = [write(RUNS / "ab/abc" / name, f"md5: {digest}") for name, digest in (("1", text), ("2", "0" * 32))]
    folds = [write(paths.fold_scores_path(name, "0"), table(batch=["a"], student=[name])) for name in ("u052", "u001")]
    assert purge.purge_withdrawn_students().deleted_counts == {"text": 1, "fold": 1, "run": 1}
    assert [path.exists() for path in (*runs, *folds)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (paths.raw_path("a") / "train/u052 copy.jpg", b""),
        (paths.SPLIT, table(batch=["a"], student=["u052"])),
        (paths.store_path("a"), b"\x89HDF, but torn"),
        (Path("reports/index.html"), b"<td>u052</td>"),
    ],
    ids=["photo", "table", "store", "page"],
)
def test_nothing_is_deleted_while_the_workspace_holds_the_student(path: Path, content: bytes) -> None:
    write(path, content)
    write(paths.manifest_path("b"), table(path=["train/u052_1_left_m.jpg"]))  # another batch's
    write(Path("models/cnn.safetensors"), WEIGHTS)
    text = add_to_cache("u052")
    with pytest.raises(ShoepairError, match="the workspace still holds withdrawn students, in 1 files") as error:
        purge.purge_withdrawn_students()
    assert error.value.problems == (f"{path}: holds u052",)
    assert error.value.fix == "run `dvc repro`, then `shoepair forget --purge` again"
    assert text in cached_digests()


def test_data_out_of_reach_is_reported() -> None:
    photos = cache_folder("u001_1_left_m.jpg", "u052_1_left_m.jpg")
    trained = [version(number, "cnn", a=photos) for number in range(7)]
    set_history(*trained, version(7, a=photos), version(8, "cnn", b=photos))
    write(Path("mine/u052_1_left_m.jpg"), b"")
    temporary = write(Path(".dvc/tmp/exps/x/u052_1_left_m.jpg"), b"")
    remains = purge.purge_withdrawn_students().remaining
    assert remains[0] == "mine/u052_1_left_m.jpg: named like a withdrawn student's photo, delete it if it is theirs"
    assert remains[1].startswith("git history: ")
    assert remains[2:-2] == [
        *[f"models of commit c{number} (2026-11-24 Train): trained while u052 was in 'a'" for number in range(5)],
        "... and the models of 2 more commits",
    ]
    assert remains[-2].startswith("remote 'store': all pushed files; `dvc gc --workspace --cloud --remote store`")
    assert remains[-1].startswith("other clones and their caches: ")
    assert not temporary.exists()


def test_purge_needs_a_withdrawn_student() -> None:
    paths.WITHDRAWN_LIST.unlink()
    add_to_cache(plot_png())
    with pytest.raises(
        ShoepairError, match=r"^data/withdrawn\.yaml: no student is withdrawn\nrun `shoepair forget STUDENT"
    ):
        purge.purge_withdrawn_students()
    assert len(cached_digests()) == 1
