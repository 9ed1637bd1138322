"""DVC records, of the workspace and along git's history: digests of batches and outputs, trained models.

Read from `dvc.lock` and the `.dvc` files as stored by git; nothing is checked out.
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

LOCK_PATH = Path("dvc.lock")


@dataclass(frozen=True)
class DatasetVersion:
    """One commit that changed the records: digests of the batches' photos, names of the trained models."""

    commit: str  # abbreviated
    date: str  # of the commit, like 2026-11-24
    subject: str
    batch_digests: dict[str, str]
    trained_models: tuple[str, ...]


def read_digest_by_path(entry_type: str) -> dict[Path, str]:
    """Read the digests by path from dvc.lock and the .dvc files: of "outs" (outputs and photos) or "deps" (inputs)."""
    return {Path(entry["path"]): entry["md5"] for entry in _read_entries(entry_type) if "md5" in entry}


def read_used_digests() -> set[str]:
    """Return the digests that the current dvc.lock and .dvc files refer to."""
    return {entry["md5"] for entry_type in ("deps", "outs") for entry in _read_entries(entry_type) if "md5" in entry}


def _read_entries(entry_type: str) -> Iterator[dict[str, Any]]:
    if entry_type == "outs":
        for path in sorted(paths.RAW_FOLDER.glob("*.dvc")):
            for entry in _parse_yaml(path.read_bytes(), path)["outs"]:
                yield entry | {"path": (path.parent / entry["path"]).as_posix()}
    if LOCK_PATH.is_file():
        for stage in _parse_yaml(LOCK_PATH.read_bytes(), LOCK_PATH).get("stages", {}).values():
            yield from stage.get(entry_type, [])


def digest_from_cache_path(cache_path: Path) -> str:
    """Return the digest of a file in DVC's cache from its path: .../ab/cdef.dir is abcdef.dir."""
    return cache_path.parent.name + cache_path.name


def read_cached_folder_digests(cache_path: Path) -> dict[str, str]:
    """Read a cached .dir file of DVC: the digest of each file of the folder, by relative path.

    Raises:
        ShoepairError: the file is not a folder listing.
    """
    try:
        return {entry["relpath"]: entry["md5"] for entry in json.loads(cache_path.read_bytes())}
    except (ValueError, TypeError, KeyError):
        message = f"{cache_path}: not a listing of DVC's cache"
        raise ShoepairError(message, fix="delete it and run `dvc repro`; `shoepair verify` checks the cache") from None


def iter_versions(revisions: str = "--all") -> Iterator[DatasetVersion]:
    """Yield every commit that changed the records, newest first; by default of all branches, tags and experiments."""
    parsed: dict[str, Any] = {}  # by blob: many commits share one
    log_format = "--format=%h%x09%cs%x09%s"
    for line in _run_git("log", revisions, log_format, "--", str(LOCK_PATH), str(paths.RAW_FOLDER)).splitlines():
        commit, date, subject = line.split("\t", 2)
        raw: dict[str, str] = {}
        models: tuple[str, ...] = ()
        for entry in _run_git("ls-tree", "-r", commit, str(LOCK_PATH), f"{paths.RAW_FOLDER.as_posix()}/").splitlines():
            marks, name = entry.split("\t", 1)
            blob = marks.split()[2]
            if blob not in parsed:
                parsed[blob] = _parse_yaml(_run_git("cat-file", "blob", blob).encode(), Path(f"{commit}:{name}"))
            if name == str(LOCK_PATH):
                synthetic = _stage_instances(parsed[blob], "sample")  # their photos are an output
                raw |= {batch: stage["outs"][0]["md5"] for batch, stage in synthetic.items() if "outs" in stage}
                models = tuple(_stage_instances(parsed[blob], "train"))
            elif name.endswith(".dvc"):
                raw[PurePosixPath(name).stem] = parsed[blob]["outs"][0]["md5"]
        yield DatasetVersion(commit, date, subject, raw, models)


def _stage_instances(lock: dict[str, Any], stage: str) -> dict[str, Any]:
    """Return the entries of a foreach stage by key: `train@cnn` as cnn."""
    stages = lock.get("stages", {})
    return {name.partition("@")[2]: entry for name, entry in stages.items() if name.startswith(f"{stage}@")}


def _parse_yaml(content: bytes, path: Path) -> dict[str, Any]:
    try:
        document = YAML(typ="safe").load(content.decode())
    except (YAMLError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict):
        message = f"{path}: not a DVC record"
        raise ShoepairError(message, fix="run `shoepair doctor`, or `git checkout` the file")
    return document


def _run_git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        message = f"`git {arguments[0]}` failed"
        problems = result.stderr.splitlines()
        raise ShoepairError(message, problems=problems, fix="run it in the project's folder, a git repository")
    return result.stdout


def dvc_file_path(batch: str) -> Path:
    """Return the path of the .dvc file with the digest of a batch's photos; synthetic classes have none."""
    return paths.raw_path(batch).with_name(f"{batch}.dvc")


def dvc_add(batch: str) -> None:
    """Run `dvc add` on the photos of a batch, which records their current digest.

    Raises:
        ShoepairError: DVC failed.
    """
    raw = paths.raw_path(batch)
    result = _run_dvc("add", "--quiet", str(raw))
    if result.returncode:
        message = f"{raw}: `dvc add` failed"
        raise ShoepairError(message, problems=result.stderr.splitlines(), fix="run it by hand")


def has_unrecorded_changes(batch: str) -> bool:
    """Return whether the photos of a batch differ from what DVC recorded, so that deleting them loses data."""
    return _run_dvc("status", "--quiet", f"{dvc_file_path(batch)}").returncode != 0


def _run_dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
