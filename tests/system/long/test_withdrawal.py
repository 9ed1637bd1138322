"""Students and batches that leave, and what the cache and the workspace still hold of them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pandas as pd
from support.commands import CLI, Run
from support.field import outputs, write_class, write_student

from shoepair.commands.collection import withdrawn
from shoepair.runtime import paths

GONE = "u005"


def mentions(path: Path, digests: set[str]) -> bool:
    """Whether a file holds the student, read by means other than those of the project."""
    data = path.read_bytes()
    if data.startswith(b"PAR1"):
        frame = pd.read_parquet(path)
        return bool(frame.astype(str).apply(lambda column: column.str.contains(GONE)).to_numpy().any())
    if data.startswith(b"\x89HDF"):
        with h5py.File(path) as file:
            return GONE.encode() in list(file["student"][:])
    return GONE.encode() in data or path.parent.name + path.name in digests


def test_nothing_of_a_withdrawn_student_remains(trained: Path, run: Run, tmp_path: Path) -> None:
    run("dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "remote"))
    (trained / "reports/analysis/pair.png").write_bytes((next(Path("data/raw/tiny/train").iterdir())).read_bytes())
    cache = trained / ".dvc/cache/files/md5"
    listing = next(path for path in cache.glob("??/*.dir") if GONE in path.read_text())
    digests = {entry["md5"] for entry in json.loads(listing.read_text()) if GONE in entry["relpath"]}
    assert len(digests) == 6
    before = [path for path in cache.glob("??/*") if mentions(path, digests)]
    assert len(before) >= 6 + 1 + 2 + 1 + 2, "photos, listing, two tables, store, split and pairs"

    assert "no student is withdrawn" in run(*CLI, "forget", "--purge", status=1).stderr
    out = run(*CLI, "forget", GONE, "--batch", "tiny").stdout
    assert "u005: 6 photos deleted from batch 'tiny'" in out
    assert withdrawn.withdrawn_students_by_batch() == {"tiny": [GONE]}
    early = run(*CLI, "forget", "--purge", status=1).stderr
    assert "data/split.parquet: holds u005" in early
    assert "run `dvc repro`" in early
    assert [path for path in cache.glob("??/*") if mentions(path, digests)] == before

    run("dvc", "repro", "-q")
    kept = outputs(trained)
    (trained / "my-copy").mkdir()
    write_student(trained / "my-copy", GONE)
    for name, theirs in (("gone", GONE), ("stays", "u001")):
        fold = trained / "checkpoints/crossval" / f"{name}.parquet"
        fold.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"batch": ["tiny"], "student": [theirs]}).to_parquet(fold)
    out = run(*CLI, "forget", "--purge").stdout
    assert "deleted from the cache: 1 fold, 1 listing, 6 photos" in out
    assert [path.name for path in fold.parent.iterdir()] == ["stays.parquet"]
    assert "models of commit" in out
    assert " Train): trained while u005 was in 'tiny'" in out
    assert "remote 'store': all pushed files" in out
    assert "my-copy/u005_1_left_m.jpg: named like" in out
    assert [path for path in cache.glob("??/*") if mentions(path, digests)] == []
    workspace = [path for root in ("data", "models", "plots", "reports", "metrics") for path in Path(root).rglob("*")]
    holding = [path for path in workspace if path.is_file() and mentions(path, digests)]
    assert holding == [paths.WITHDRAWN_LIST]
    assert outputs(trained) == kept
    assert run("dvc", "status", "-q").stdout == ""
    assert not [
        path for path in Path(".dvc/cache/runs").glob("??/*/*") if any(one in path.read_text() for one in digests)
    ]
    assert "deleted from the cache: nothing (0 bytes)" in run(*CLI, "forget", "--purge").stdout

    handed_in = tmp_path / "again"
    write_class(handed_in, {"train": ("u001", GONE)})
    run(*CLI, "remove", "tiny")
    assert (
        "u005: withdrawn in data/withdrawn.yaml" in run(*CLI, "add", str(handed_in), "--name", "tiny", status=1).stderr
    )
