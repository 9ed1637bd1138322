"""Students and batches that leave, and what the cache and the workspace still hold of them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pandas as pd
import pytest
from support.commands import CLI, Run
from support.field import outputs, write_class, write_student

from shoepair.commands.collection import add, batch_list, overview, remove, withdrawn
from shoepair.reports import terminal
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

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

    assert "nobody withdrew" in run(*CLI, "forget", "--purge", status=1).stderr
    out = run(*CLI, "forget", GONE, "--batch", "tiny").stdout
    assert "u005: 6 photos left batch 'tiny'" in out
    assert withdrawn.load() == {"tiny": [GONE]}
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
    assert " Train): made while u005 was in 'tiny'" in out
    assert "remote 'store': what was pushed" in out
    assert "my-copy/u005_1_left_m.jpg: a file of this name" in out
    assert [path for path in cache.glob("??/*") if mentions(path, digests)] == []
    workspace = [path for root in ("data", "models", "plots", "reports", "metrics") for path in Path(root).rglob("*")]
    holding = [path for path in workspace if path.is_file() and mentions(path, digests)]
    assert holding == [paths.WITHDRAWN]
    assert outputs(trained) == kept
    assert run("dvc", "status", "-q").stdout == ""
    assert not [
        path for path in Path(".dvc/cache/runs").glob("??/*/*") if any(one in path.read_text() for one in digests)
    ]
    assert "deleted from the cache: nothing, it held no more" in run(*CLI, "forget", "--purge").stdout

    handed_in = tmp_path / "again"
    write_class(handed_in, {"train": ("u001", GONE)})
    run(*CLI, "remove", "tiny")
    assert (
        "u005: withdrawn in data/withdrawn.yaml" in run(*CLI, "add", str(handed_in), "--name", "tiny", status=1).stderr
    )


def test_forgetting_takes_up_after_a_kill(repository: Path) -> None:
    theirs = remove.photos_of(GONE, "tiny")
    withdrawn.append("tiny", GONE)
    theirs[0].unlink()
    assert len(remove.forget(GONE, "tiny")) == 5
    assert remove.photos_of(GONE, "tiny") == []
    assert remove.forget(GONE, "tiny") == []
    assert paths.WITHDRAWN.read_text().endswith("tiny:\n  - u005\n")
    assert (repository / "data/raw/tiny/train/u001_1_left_m.jpg").is_file()


@pytest.mark.usefixtures("repository")
def test_forgetting_nobody_changes_nothing() -> None:
    for student, batch, match in (
        ("u999", "tiny", "batch 'tiny': no photo of student 'u999'"),
        ("u005", "none", r"batch 'none': not in data/batches\.yaml, which lists tiny"),
    ):
        with pytest.raises(ShoepairError, match=match):
            remove.forget(student, batch)
    (paths.raw("tiny") / "train/u001_1_left_m.jpg").write_bytes(b"changed")
    with pytest.raises(ShoepairError, match="changed since DVC recorded it"):
        remove.forget("u005", "tiny")
    with pytest.raises(ShoepairError, match="changed since DVC recorded it"):
        remove.remove("tiny")
    assert len(remove.photos_of("u005", "tiny")) == 6
    assert not paths.WITHDRAWN.exists()


@pytest.mark.usefixtures("repository")
def test_last_student_is_not_forgotten_but_the_batch_removed(tmp_path: Path) -> None:
    write_class(tmp_path / "one", {"train": ("u300",)})
    add.add(tmp_path / "one", "one")
    with pytest.raises(ShoepairError, match="u300 is its only student\nrun `shoepair remove one`"):
        remove.forget("u300", "one")
    assert remove.remove("one") == 6
    assert not paths.raw("one").exists()
    assert paths.BATCHES.read_text() == "# the order of arrival\nbatches:\n  - tiny\nsamples: {}\n"


@pytest.mark.usefixtures("project")
def test_overview_counts_by_name_and_marks_what_is_not_known(run: Run) -> None:
    batch_list.append("far")
    rows = {row["batch"]: row for row in overview.overview().to_dict("records")}
    length = sum(path.stat().st_size for path in paths.raw("tiny").rglob("*.jpg"))
    wanted = {"students": 8, "photos": 48, "men": 7, "women": 1, "bytes": length, "source": "added"}
    assert {name: rows["tiny"][name] for name in wanted} == wanted
    lines = terminal.batch_table(overview.overview()).splitlines()
    assert lines[2].split() == ["far", "added", *"------"]
    assert "quarantined" in run(*CLI, "batches").stdout
