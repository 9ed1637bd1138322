"""Which files of a cache show or name a student, in a cache made by hand."""

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
from shoepair.commands.dvc_records import Version
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
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project whose student u052 withdrew from batch `a`; DVC has nothing in it yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(purge, "Repo", lambda: nullcontext(REPOSITORY))
    history()
    withdrawn.append("a", "u052")

    def known() -> list[Version]:
        return versions

    monkeypatch.setattr(dvc_records, "versions", known)


versions: list[Version] = []


def history(*kept: Version) -> None:
    """Let git know these versions and no other."""
    versions[:] = kept


def version(number: int, *models: str, **raw: str) -> Version:
    return Version(f"c{number}", "2026-11-24", "Train", raw, models)


def cached(content: bytes | str, folder: bool = False) -> str:
    """Put a file into the cache, under its digest."""
    data = content.encode() if isinstance(content, str) else content
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    write(CACHE / digest[:2] / f"{digest[2:]}{'.dir' if folder else ''}", data)
    return f"{digest}.dir" if folder else digest


def listed(*names: str) -> str:
    """Put a folder with photos of these names into the cache, each photo of its own content."""
    return cached(
        json.dumps([{"md5": cached(f"photo {name}"), "relpath": f"train/{name}"} for name in names]), folder=True
    )


def table(**columns: list[str]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(columns).to_parquet(file)
    return file.getvalue()


def stored(*students: str) -> bytes:
    path = Path("some.h5")
    store.write(path, list(students), (np.zeros((3, 2, 16, 16, 3), np.uint8) for _ in students), 16)
    content = path.read_bytes()
    path.unlink()
    return content


def drawing() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return file.getvalue()


def there() -> set[str]:
    """The digests of what the cache holds."""
    return {dvc_records.digest_of(path) for path in CACHE.glob("??/*")}


def test_whatever_shows_or_names_the_student_goes_and_nothing_else() -> None:
    photos = listed("u052_1_left_m.jpg", "u0521_1_left_m.jpg", "U052 copy.jpg")
    history(version(1, a=photos))
    guilty = {
        "listing": [photos],
        "photo": [cached("photo u052_1_left_m.jpg"), cached("photo U052 copy.jpg")],
        "table": [
            cached(table(batch=["b", "a"], student=["u001", "u052"])),
            cached(table(path=["train/u052_1_left_m.jpg"])),
            cached(b"PAR1, but torn"),
        ],
        "store": [cached(stored("u001", "u052")), cached(b"\x89HDF, but torn")],
        "text": [cached("set aside: U052: 5 photos"), cached("a page with data:image/png;base64,AAAA")],
        "picture": [cached(drawing())],
    }
    cached("photo u0521_1_left_m.jpg")
    cached(table(batch=["b", "a"], student=["u052", "u0521"]))
    cached(stored("u001"))
    cached("u0521, xu052 and u05 2")
    cached(WEIGHTS)
    gone = {digest for digests in guilty.values() for digest in digests}
    innocent = there() - gone
    length = sum(path.stat().st_size for path in CACHE.glob("??/*") if dvc_records.digest_of(path) in gone)
    purged = purge.purge()
    counts = {kind: len(digests) for kind, digests in guilty.items()}
    assert {kind: count for kind, count in purged.deleted.items() if count} == counts
    assert purged.bytes == length
    assert there() == innocent
    assert len(innocent) == 5
    again = purge.purge()
    assert (+again.deleted, again.bytes) == (Counter(), 0)


def test_what_is_in_use_stays_with_the_files_of_folders_in_use() -> None:
    photos, picture = listed("u001_1_left_m.jpg"), cached(drawing())
    plots = cached(json.dumps([{"md5": picture, "relpath": "pair.png"}]), folder=True)
    write(dvc_records.LOCK, f"stages: {{report: {{outs: [{{path: plots, md5: {plots}}}]}}}}")
    write(dvc_records.file("a"), f"outs: [{{path: a, md5: {photos}}}]")
    before = there()
    assert +purge.purge().deleted == Counter()
    assert there() == before


def test_student_of_the_same_number_in_another_batch_stays_and_in_a_listing_of_no_known_batch_does_not() -> None:
    other, unknown = listed("u052_1_left_m.jpg"), listed("u052_2_left_m.jpg")
    history(version(1, b=other))
    assert purge.purge().deleted == {"listing": 1, "photo": 1, "fold": 0, "run": 0}
    assert there() == {other, cached("photo u052_1_left_m.jpg")}
    assert unknown not in there()


def test_runs_and_folds_of_the_student_are_forgotten_and_those_of_others_kept() -> None:
    text = cached("u052")
    runs = [write(RUNS / "ab/abc" / name, f"md5: {digest}") for name, digest in (("1", text), ("2", "0" * 32))]
    folds = [write(paths.fold(name, "0"), table(batch=["a"], student=[name])) for name in ("u052", "u001")]
    assert purge.purge().deleted == {"text": 1, "fold": 1, "run": 1}
    assert [path.exists() for path in (*runs, *folds)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (paths.raw("a") / "train/u052 copy.jpg", b""),
        (paths.SPLIT, table(batch=["a"], student=["u052"])),
        (paths.store("a"), b"\x89HDF, but torn"),
        (Path("reports/index.html"), b"<td>u052</td>"),
    ],
    ids=["photo", "table", "store", "page"],
)
def test_nothing_is_deleted_while_the_workspace_holds_the_student(path: Path, content: bytes) -> None:
    write(path, content)
    write(paths.table("b"), table(path=["train/u052_1_left_m.jpg"]))  # another batch's
    write(Path("models/cnn.safetensors"), WEIGHTS)
    text = cached("u052")
    with pytest.raises(ShoepairError, match="the workspace still holds students who withdrew, in 1 files") as error:
        purge.purge()
    assert error.value.problems == (f"{path}: holds u052",)
    assert error.value.fix == "run `dvc repro`, then `shoepair forget --purge` again"
    assert text in there()


def test_what_cannot_be_reached_is_told() -> None:
    photos = listed("u001_1_left_m.jpg", "u052_1_left_m.jpg")
    trained = [version(number, "cnn", a=photos) for number in range(7)]
    history(*trained, version(7, a=photos), version(8, "cnn", b=photos))
    write(Path("mine/u052_1_left_m.jpg"), b"")
    temporary = write(Path(".dvc/tmp/exps/x/u052_1_left_m.jpg"), b"")
    remains = purge.purge().remains
    assert remains[0] == "mine/u052_1_left_m.jpg: a file of this name, delete it if it is theirs"
    assert remains[1].startswith("git history: ")
    assert remains[2:-2] == [
        *[f"models of commit c{number} (2026-11-24 Train): made while u052 was in 'a'" for number in range(5)],
        "... and the models of 2 more commits",
    ]
    assert remains[-2].startswith("remote 'store': what was pushed; `dvc gc --workspace --cloud --remote store`")
    assert remains[-1].startswith("other clones and their caches: ")
    assert not temporary.exists()


def test_project_that_nobody_withdrew_from_has_nothing_to_purge() -> None:
    paths.WITHDRAWN.unlink()
    cached(drawing())
    with pytest.raises(ShoepairError, match=r"^data/withdrawn\.yaml: nobody withdrew\nrun `shoepair forget STUDENT"):
        purge.purge()
    assert len(there()) == 1
