"""The plan of a purge, and its order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.settings import write

from shoepair.commands.collection.purging import purge, receipts, search
from shoepair.commands.collection.purging.derivation import Origins
from shoepair.commands.collection.purging.purge import PurgePlan
from shoepair.commands.collection.purging.records import StageRecord
from shoepair.commands.collection.purging.remotes import Remote
from shoepair.commands.collection.purging.search import Finding, Project
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

STUDENTS = {"winter": ["u052"]}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_plan(*findings: Finding, cache_is_shared: bool = False, remote: Remote | None = None) -> PurgePlan:
    project = Project(Path.cwd(), Path("c"), Path("cache/runs"), Path("s"), cache_is_shared)
    repo: Any = SimpleNamespace(close=lambda: None)
    return PurgePlan(repo, project, STUDENTS, list(findings), [remote] if remote else [], ["clones"])


def test_plan_counts_what_it_deletes_and_separates_what_it_leaves() -> None:
    remote = Remote("store", "/far", None, None, {"a": "photo", "b": "photo"}, ["run"])
    left = Finding(search.PROJECT, "picture", Path("me.jpg"), "may show them")
    plan = make_plan(Finding(search.CACHE, "photo", Path("a")), left, remote=remote)
    assert plan.unproven == [left]
    here, there = (search.CACHE, "photo"), "remote 'store'"
    assert plan.counts == Counter({here: 1, (there, "photo"): 2, (there, "run"): 1})


def test_plan_says_whom_else_it_concerns() -> None:
    cached = Finding(search.CACHE, "photo", Path("a"))
    assert make_plan(cached).warnings == []
    assert make_plan(cache_is_shared=True).warnings == []
    (warning,) = make_plan(cached, cache_is_shared=True).warnings
    assert warning.startswith("cache cache: outside this project or shared, so other projects may use it")
    assert make_plan(remote=Remote("store", "/far", None, None)).warnings == []
    (warning,) = make_plan(remote=Remote("store", "/far", None, None, {"a": "photo"})).warnings
    assert warning.startswith("remote 'store' (/far): other projects and clones may use it")


def test_killed_purge_is_completed_by_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [write(Path(f"cache/{name}"), "") for name in "abc"]
    listing, folder = write(Path("cache/0.dir"), ""), write(Path("exps/w/file"), "").parent
    write(folder / ".dvc/config", "")
    write(folder / "data/table", "")
    findings = [
        Finding(search.CACHE, "listing", listing),
        *(Finding(search.CACHE, "photo", path) for path in photos),
        Finding(search.EXPERIMENTS, "workspace", folder),
    ]

    def kill(path: Path) -> None:
        assert path == folder / "data", "DVC's folder marks a workspace: it goes last"
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", kill)
        with pytest.raises(KeyboardInterrupt):
            make_plan(*findings).execute()
    assert not any(path.exists() for path in photos)
    assert listing.exists(), "the listing names the photos: it goes last"
    receipt = make_plan(findings[0], findings[-1]).execute()
    assert receipt is not None
    assert not listing.exists()
    assert not folder.exists()
    for row in ("DVC's cache | listing | 1", "DVC's cache | photo | 3", "experiments' workspaces | workspace | 1"):
        assert f"| {row} |" in receipt.read_text()
    assert not receipts.NOTES.exists()


def raise_if_in_use(*records: StageRecord, **theirs: str) -> tuple[str, ...]:
    listings = {"all.dir": {"train/x.jpg": "p1", "Thumbs.db": "p2"}}
    with pytest.raises(ShoepairError, match="the version in use still holds withdrawn students") as error:
        purge._raise_if_in_use([records], listings.get, Origins(theirs), STUDENTS)
    assert "then `dvc repro`" in error.value.fix
    return error.value.problems


def test_nothing_is_deleted_while_the_version_in_use_holds_the_student() -> None:
    made = StageRecord("pairs", (("data/split.parquet", "s"),), (("data/pairs.parquet", "t"), ("x", "u")))
    assert raise_if_in_use(made, t="table") == ("stage pairs: its outputs were made of their photos",)
    tracked = StageRecord("", (), (("data/raw/winter", "all.dir"), ("one.jpg", "p1")))
    photo = "a photo of theirs"
    assert raise_if_in_use(tracked, p1="photo") == (f"data/raw/winter/train/x.jpg: {photo}", f"one.jpg: {photo}")
    (problem,) = raise_if_in_use(tracked, p2="system file")
    assert problem.startswith("data/raw/winter/Thumbs.db: came with their photos")
    path = write(paths.raw_path("winter") / "train/U052 copy.jpg", "")
    assert raise_if_in_use() == (f"{path}: {photo}",)
    path.rename(path.with_name("u0521_1_left_m.jpg"))
    purge._raise_if_in_use([(tracked,)], lambda _digest: {}, Origins(), STUDENTS)


def test_purge_in_a_clone_without_the_photos_says_what_to_pull() -> None:
    tracked = StageRecord("", (), (("data/raw/winter", "all.dir"), ("data/raw/late", "late.dir")))
    with pytest.raises(ShoepairError, match="data/raw/winter: its photos and their listing are not in") as error:
        purge._raise_if_unknown([(tracked,)], lambda _digest: None, STUDENTS)
    assert "`dvc pull data/raw/winter.dvc`" in error.value.fix
    purge._raise_if_unknown([(tracked,)], lambda _digest: {}, STUDENTS)


def test_purge_needs_a_withdrawn_student() -> None:
    expected = r"^data/withdrawn\.yaml: no student is withdrawn\nrun `shoepair forget STUDENT"
    with pytest.raises(ShoepairError, match=expected), purge.plan_purge():
        pass


def test_places_out_of_reach_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOEPAIR_ROOT", "s3://shoes/class")
    lines = purge._describe_unreachable(["far"], [Remote("store", "/near", None, None)])
    assert [line.split(":")[0] for line in lines] == [
        "git history",
        "remote 'far'",
        "remote 'store'",
        "s3",
        "other clones and their caches",
        "copies outside this project",
    ]
