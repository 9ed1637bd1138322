"""Everything that DVC recorded against what is on disk and in the cache, by content.

DVC trusts a file whose time and length are as it remembers, believes its cache, and takes changed photos in silence;
so a flipped byte can live for years. Here every file is read and hashed anew.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from shoepair.commands import dvc_records
from shoepair.runtime import paths, progress
from shoepair.runtime.errors import escaped


@dataclass
class Report:
    """What was compared, and what differs, a line each."""

    files: int = 0  # of the workspace
    cached: int = 0  # files of the cache
    problems: list[str] = field(default_factory=list)


def verify() -> Report:
    """Hash every recorded input and output, and every file of the cache.

    Raises:
        ShoepairError: dvc.lock or a .dvc file is no record of DVC's.
    """
    with Repo() as repo:
        return _Verification(repo).run()


def md5(path: Path) -> str:
    """The digest that DVC names a file by."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class _Verification:
    """One pass over the cache and the workspace; a file that stands in several records is read once."""

    def __init__(self, repo: Repo) -> None:
        self._cache = Path(repo.cache.local.path)
        self._is_ignored = repo.dvcignore.is_ignored_file
        self._md5 = functools.cache(md5)
        self._listings: dict[str, dict[str, str]] = {}
        self._report = Report()

    def run(self) -> Report:
        self._check_cache()
        wrong: list[Path] = []
        written = dvc_records.recorded("outs")  # an input that is an output counts as its stage wrote it
        entries = {**dvc_records.recorded("deps"), **written}
        for path, digest in sorted(entries.items(), reverse=True):  # what lies in a folder before the folder
            problems = list(self._check_entry(path, digest, _advice(path, path in written)))
            if problems and not any(other.is_relative_to(path) for other in wrong):
                wrong.append(path)
                self._report.problems += problems
        return self._report

    def _check_cache(self) -> None:
        """Every cached file must hash to its name; the sound listings of folders are kept."""
        for path in progress.track(sorted(self._cache.glob("??/*")), "verify", "file"):
            name = dvc_records.digest_of(path)
            self._report.cached += 1
            if md5(path) != name.removesuffix(".dir"):
                shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
                advice = "delete it, then `dvc fetch`, or `dvc commit -f` while the workspace is sound"
                self._report.problems.append(f"{shown}: its content is not what its name says; {advice}")
            elif name.endswith(".dir"):
                self._listings[name] = dvc_records.listing(path)

    def _check_entry(self, path: Path, digest: str, advice: str) -> Iterator[str]:
        """One recorded file or folder; a folder whose listing is not cached is compared as a whole."""
        changed = f"{path}: changed since it was recorded; {advice}"
        if not path.exists():
            yield f"{path}: missing; {advice}"
        elif not digest.endswith(".dir"):
            self._report.files += 1
            if not path.is_file() or self._md5(path) != digest:
                yield changed
        else:
            found = dict(self._folder(path))
            self._report.files += len(found)
            wanted = self._listings.get(digest)
            if wanted is not None:
                yield from _differences(path, found, wanted, advice)
            elif _listing_digest(found) != digest:
                yield changed

    def _folder(self, path: Path) -> Iterator[tuple[str, str]]:
        for file in sorted(path.rglob("*")):
            if file.is_file() and not self._is_ignored(str(file)):
                yield file.relative_to(path).as_posix(), self._md5(file)


def _advice(path: Path, is_output: bool) -> str:
    undo = f"`dvc checkout {path}` brings the recorded one back"
    if not is_output:
        return "`dvc repro` works with it as it is"
    if path.parent == paths.RAW:
        return f"`dvc add {path}` takes it as it is, {undo}"
    return f"{undo}, or `dvc repro` makes it anew"


def _differences(path: Path, found: dict[str, str], wanted: dict[str, str], advice: str) -> Iterator[str]:
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            what = "missing" if name not in found else "new" if name not in wanted else "changed"
            yield f"{path}/{escaped(name)}: {what} since {path} was recorded; {advice}"


def _listing_digest(found: dict[str, str]) -> str:
    """The digest that DVC gives a folder: that of its listing, as it writes it."""
    entries: list[dict[str, Any]] = [{"md5": found[name], "relpath": name} for name in sorted(found)]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
