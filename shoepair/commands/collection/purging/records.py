"""DVC's records of every version of this project: which files a stage made, and from which.

They are read from git's object database as a whole (commits of all branches, tags and experiments, stashes, and what
no ref names any more), from the workspace, from the workspaces of experiments, and from DVC's run cache where that is
this project's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dvc.utils.serialize import ParseError, parse_yaml

from shoepair.commands import version_control

RECORD_MARK = b"outs:"  # every record has outputs

FileDigest = tuple[str, str]  # path as recorded, digest


@dataclass(frozen=True)
class StageRecord:
    """What one stage read and wrote. What `dvc add` tracks, such as photos, has no stage, and was made of nothing."""

    stage: str  # such as "train@cnn"; "" of a .dvc file
    deps: tuple[FileDigest, ...]
    outs: tuple[FileDigest, ...]

    @property
    def digests(self) -> set[str]:
        """The digests of everything that the stage read and wrote."""
        return {digest for _, digest in (*self.deps, *self.outs)}


Version = tuple[StageRecord, ...]  # of one dvc.lock, .dvc file or entry of the run cache


@dataclass(frozen=True)
class GitBlob:
    """A file in git's object database: its name there, its MD5 digest as DVC computes it, its first bytes."""

    name: str
    md5: str
    start: bytes


def hash_content(content: bytes) -> str:
    """Return the MD5 digest of a content, as DVC records it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def parse_records(content: bytes) -> Version:
    """Parse a dvc.lock, a .dvc file or an entry of DVC's run cache; () if the content is none of these."""
    if RECORD_MARK not in content:
        return ()
    try:
        document = parse_yaml(content.decode(), "record")
    except (ParseError, UnicodeDecodeError):
        return ()  # no record, or one that DVC cannot read either
    if not isinstance(document, dict):
        return ()
    stages = document.get("stages")
    entries = stages.items() if isinstance(stages, dict) else [("", document)]
    records = (_to_record(str(name), entry) for name, entry in entries if isinstance(entry, dict))
    return tuple(record for record in records if record.outs)


def _to_record(stage: str, entry: dict[str, Any]) -> StageRecord:
    return StageRecord(stage, tuple(_file_digests(entry.get("deps"))), tuple(_file_digests(entry.get("outs"))))


def _file_digests(entries: Any) -> Iterator[FileDigest]:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("md5"), str) and isinstance(entry.get("path"), str):
            yield entry["path"], entry["md5"]


def read_files(paths: Iterable[Path]) -> list[Version]:
    """Read the records in these files; the paths in a .dvc file are relative to its folder."""
    versions = []
    for path in paths:
        version = parse_records(path.read_bytes())
        if path.suffix == ".dvc":
            version = tuple(
                replace(record, outs=tuple(((path.parent / name).as_posix(), digest) for name, digest in record.outs))
                for record in version
            )
        versions.append(version)
    return versions


def read_git_objects() -> tuple[list[Version], list[GitBlob]]:
    """Read the records in git's object database, and describe all files in it; without those of other folders only.

    Raises:
        VersionControlError: git failed.
    """
    versions, blobs = [], []
    for name, content in version_control.iter_blobs():
        blobs.append(GitBlob(name, hash_content(content), content[:9]))
        if version := parse_records(content):
            versions.append(version)
    return versions, blobs


def describe_git_blob(name: str) -> str:
    """Return where a file in git's object database comes from: a commit, a stash, or nothing any more."""
    words = ("log", "--all", "--reflog", f"--find-object={name}", "--format=%h", "--max-count=1", "-m")
    found = version_control.list_git_lines(*words)
    return f"commit {found[0]}" if found else "no commit"
