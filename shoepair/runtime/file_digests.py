"""Signatures and digests of files and folders, as DVC computes them.

A signature is what the file system says of a file: length, times, inode. It is compared in microseconds a file. Two
equal signatures mean the same content; two different ones may still mean the same content, which digests tell.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pathspec import GitIgnoreSpec

IGNORE_FILE = Path(".dvcignore")
ALWAYS_IGNORED = (".hg/", ".git/", ".git", ".dvc/")  # by DVC, whatever the file says
CACHED_NAME = re.compile(r"[0-9a-f]{32}")
DIRECTORY_SUFFIX = ".dir"  # of the digest of a folder


class Signature(NamedTuple):
    """What the file system says of a file. A copy that keeps length and time differs in inode or change time."""

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int


def read_signature(path: str | Path) -> Signature | None:
    """Return the signature of a file, of the one that a link points to; None if there is none, or it is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116  # called for every photo
    except (FileNotFoundError, NotADirectoryError):  # other errors are the machine's, and no change of the file
        return None
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
        return None
    return Signature(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


def read_ignore_rules() -> GitIgnoreSpec:
    """Read what DVC leaves out of folders, from .dvcignore in the current directory."""
    lines = IGNORE_FILE.read_text(encoding="utf-8").splitlines() if IGNORE_FILE.is_file() else []
    return GitIgnoreSpec.from_lines([*ALWAYS_IGNORED, *map(str.strip, lines)])


def list_signatures(path: Path, ignored: GitIgnoreSpec) -> dict[str, Signature]:
    """Return the signatures of a file, or of all files in a folder that DVC does not ignore, by path; {} if none."""
    if not path.is_dir():
        signature = read_signature(path)
        return {path.as_posix(): signature} if signature else {}
    named = ((name, read_signature(name)) for name in _walk(path.as_posix()) if not ignored.match_file(name))
    return {name: signature for name, signature in named if signature}


def _walk(folder: str) -> Iterator[str]:
    """Yield the paths of all files in a folder; links to folders are not followed, as by DVC."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # deleted since it was listed
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        else:
            yield entry.path


def compute_md5(path: str | Path) -> str:
    """Return the MD5 digest of a file, as DVC records it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_cache_link(path: Path) -> bool:
    """Return whether a path is a link to a file that is named like one in DVC's cache, wherever the cache lies.

    DVC makes such links of all files that it records if its `cache.type` is symlink.
    """
    if not path.is_symlink():
        return False
    target = path.resolve()
    return CACHED_NAME.fullmatch(target.parent.name + target.name) is not None and target.is_file()


def is_file_or_cache_link(path: Path) -> bool:
    """Return whether a path is a regular file, or stands for one in DVC's cache; no other link."""
    return path.is_file() and (not path.is_symlink() or is_cache_link(path))


def compute_md5_of_noted(name: str, signature: Signature) -> str | None:
    """Return the MD5 digest of a file; None if it no longer has the signature, so that it may be of other content."""
    try:
        digest = compute_md5(name)
    except FileNotFoundError:
        return None
    return digest if read_signature(name) == signature else None


def hash_listing(digests: Mapping[str, str]) -> str:
    """Return the digest that DVC gives a folder, from those of its files by relative path."""
    entries: list[dict[str, Any]] = [{"md5": digests[name], "relpath": name} for name in sorted(digests)]
    content = json.dumps(entries, sort_keys=True).encode()
    return hashlib.md5(content, usedforsecurity=False).hexdigest() + DIRECTORY_SUFFIX


def combine_digests(path: Path, digests: Mapping[str, str]) -> str:
    """Return the digest that DVC gives a file or folder, from those of its files by their whole paths."""
    if list(digests) == [path.as_posix()]:
        return digests[path.as_posix()]
    return hash_listing({Path(name).relative_to(path).as_posix(): digest for name, digest in digests.items()})


def read_dvc_digests(signatures: Mapping[str, Signature]) -> dict[str, str]:
    """Return the digests that DVC's state has for files with these signatures; without those it does not know.

    Before DVC starts a stage it hashes what the stage depends on, and keeps the digests by path, inode, time and
    length: so large files need not be read again.
    """
    from dvc.exceptions import DvcException  # imported late: it takes a third of a second, and few stages need it
    from dvc.repo import Repo

    infos = {
        str(Path(name).absolute()): {
            "type": "file",
            "ino": signature.inode,
            "mtime": _seconds(signature.mtime_ns),
            "size": signature.size,
        }
        for name, signature in signatures.items()
    }
    try:
        with Repo() as repo:
            known = {path: hash_info for path, _, hash_info in repo.state.get_many(list(infos), repo.fs, infos)}
    except DvcException:  # no DVC project
        return {}
    names = dict(zip(infos, signatures, strict=True))
    return {names[path]: found.value for path, found in known.items() if found and found.name == "md5"}


def _seconds(nanoseconds: int) -> float:
    """Return a time as `os.stat` gives it, bit for bit: DVC compares it so."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return seconds + 1e-9 * rest
