"""DVC's records of every version of this project: which files a stage made, and from which.

They are read from git's object database as a whole (commits of all branches, tags and experiments, stashes, and what
no ref names any more), from the workspace, from the workspaces of experiments, and from DVC's run cache where that is
this project's own.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dvc.utils.serialize import ParseError, parse_yaml

from shoepair.runtime.errors import ShoepairError

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
    """Read the records in git's object database, and describe all files in it.

    Raises:
        ShoepairError: the project is in no git repository.
    """
    versions, blobs = [], []
    for name, content in _iter_blobs():
        blobs.append(GitBlob(name, hash_content(content), content[:9]))
        if version := parse_records(content):
            versions.append(version)
    return versions, blobs


def _iter_blobs() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of every file in git's object database."""
    words = ["git", "cat-file", "--batch-all-objects", "--batch", "--unordered"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as git:
        assert git.stdout is not None
        while header := git.stdout.readline():
            name, object_type, length = header.decode().split()
            content = git.stdout.read(int(length) + 1)[:-1]
            if object_type == "blob":
                yield name, content
    if git.returncode:
        message = "`git cat-file` failed: this folder is in no git repository, or the repository is damaged"
        raise ShoepairError(message, fix="run it in the project's folder; `git fsck` checks the repository")


def list_tracked_files() -> set[Path]:
    """List the files that git tracks."""
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=False)
    return {Path(name) for name in done.stdout.decode(errors="surrogateescape").split("\0") if name}


def describe_git_blob(name: str) -> str:
    """Return where a file in git's object database comes from: a commit, a stash, or nothing any more."""
    words = ["git", "log", "--all", "--reflog", f"--find-object={name}", "--format=%h", "--max-count=1"]
    done = subprocess.run([*words, "-m"], capture_output=True, text=True, check=False)
    return f"commit {done.stdout.split()[0]}" if done.stdout.split() else "no commit"
