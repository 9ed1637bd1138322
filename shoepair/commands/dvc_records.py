"""What DVC recorded, now and along git's history: which version of every batch, which models.

Read from `dvc.lock` and the `.dvc` files as git holds them; nothing is checked out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class Version:
    """The records of one commit that changed them: batch -> digest of its photos; names of the models trained."""

    commit: str  # abbreviated
    date: str  # of the commit, like 2026-11-24
    subject: str
    raw: dict[str, str]
    models: tuple[str, ...]


def recorded(kind: str) -> dict[Path, str]:
    """Path -> recorded digest: of "outs", what stages wrote and photos of batches; or of "deps", what stages read."""
    return {Path(entry["path"]): entry["md5"] for entry in _entries(kind) if "md5" in entry}


def in_use() -> set[str]:
    """The digests that the workspace's records name."""
    return {entry["md5"] for kind in ("deps", "outs") for entry in _entries(kind) if "md5" in entry}


def _entries(kind: str) -> Iterator[dict[str, Any]]:
    if kind == "outs":
        for path in sorted(paths.RAW.glob("*.dvc")):
            for entry in _parsed(path.read_bytes(), path)["outs"]:
                yield entry | {"path": (path.parent / entry["path"]).as_posix()}
    if LOCK.is_file():
        for stage in _parsed(LOCK.read_bytes(), LOCK).get("stages", {}).values():
            yield from stage.get(kind, [])


def digest_of(cached: Path) -> str:
    """The digest that DVC names a cached file by: .../ab/cdef.dir is abcdef.dir."""
    return cached.parent.name + cached.name


def listing(cached: Path) -> dict[str, str]:
    """The files of a cached folder: path within it -> digest.

    Raises:
        ShoepairError: the file is no listing.
    """
    try:
        return {entry["relpath"]: entry["md5"] for entry in json.loads(cached.read_bytes())}
    except (ValueError, TypeError, KeyError):
        found = f"{cached}: not a listing of DVC's cache"
        raise ShoepairError(found, fix="delete it and run `dvc repro`; `shoepair verify` checks the cache") from None


def versions(start: str = "--all") -> Iterator[Version]:
    """Every commit that changed what DVC recorded, newest first; by default on any branch, tag or experiment."""
    parsed: dict[str, Any] = {}  # blob -> its document: the same file stands in many commits
    for line in _git("log", start, "--format=%h%x09%cs%x09%s", "--", str(LOCK), str(paths.RAW)).splitlines():
        commit, date, subject = line.split("\t", 2)
        raw: dict[str, str] = {}
        models: tuple[str, ...] = ()
        for entry in _git("ls-tree", "-r", commit, str(LOCK), f"{paths.RAW.as_posix()}/").splitlines():
            marks, name = entry.split("\t", 1)
            blob = marks.split()[2]
            if blob not in parsed:
                parsed[blob] = _parsed(_git("cat-file", "blob", blob).encode(), Path(f"{commit}:{name}"))
            if name == str(LOCK):
                drawn = _instances(parsed[blob], "sample")  # their photos are an output
                raw |= {batch: stage["outs"][0]["md5"] for batch, stage in drawn.items() if "outs" in stage}
                models = tuple(_instances(parsed[blob], "train"))
            elif name.endswith(".dvc"):
                raw[PurePosixPath(name).stem] = parsed[blob]["outs"][0]["md5"]
        yield Version(commit, date, subject, raw, models)


def _instances(lock: dict[str, Any], stage: str) -> dict[str, Any]:
    """What a foreach stage was run for: `train@cnn` as cnn."""
    stages = lock.get("stages", {})
    return {name.partition("@")[2]: entry for name, entry in stages.items() if name.startswith(f"{stage}@")}


def _parsed(text: bytes, path: Path) -> dict[str, Any]:
    try:
        document = YAML(typ="safe").load(text.decode())
    except (YAMLError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict):
        found = f"{path}: not a record of DVC's"
        raise ShoepairError(found, fix="run `shoepair doctor`, or `git checkout` the file")
    return document


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        found = f"`git {words[0]}` failed"
        problems = done.stderr.splitlines()
        raise ShoepairError(found, problems=problems, fix="run in the project's folder, a git repository")
    return done.stdout


def file(batch: str) -> Path:
    """The file that holds the digest of a batch's photos; a sample class has none."""
    return paths.raw(batch).with_name(f"{batch}.dvc")


def add(batch: str) -> None:
    """Have DVC record the photos of a batch as they are now.

    Raises:
        ShoepairError: DVC refused.
    """
    raw = paths.raw(batch)
    done = _dvc("add", "--quiet", str(raw))
    if done.returncode:
        found = f"{raw}: `dvc add` failed"
        raise ShoepairError(found, problems=done.stderr.splitlines(), fix="run it by hand to see why")


def is_changed(batch: str) -> bool:
    """Whether photos differ from what DVC recorded, so that deleting them would lose something."""
    return _dvc("status", "--quiet", f"{file(batch)}").returncode != 0


def _dvc(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True, check=False)
