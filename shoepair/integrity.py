"""Everything that DVC recorded against what is on disk and in the cache, by content.

DVC trusts a file whose time and length are as it remembers, believes its cache, and takes changed photos in silence;
so a flipped byte can live for years. Here every file is read and hashed anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from shoepair import paths, records
from shoepair.errors import escaped

PIECE = 2**20  # bytes hashed at a time


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
        cache = Path(repo.cache.local.path)
    report = Report()
    listings = _check_cache(cache, report)
    wrong: list[Path] = []
    written = records.recorded("outs")  # an input that is an output counts as its stage wrote it
    entries = {**records.recorded("deps"), **written}
    for path, digest in sorted(entries.items(), reverse=True):  # what lies in a folder before the folder
        problems = list(_check_entry(path, digest, listings, report, _advice(path, path in written)))
        if problems and not any(other.is_relative_to(path) for other in wrong):
            wrong.append(path)
            report.problems += problems
    return report


def md5(path: Path) -> str:
    """The digest that DVC names a file by."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _check_cache(cache: Path, report: Report) -> dict[str, dict[str, str]]:
    """Every cached file must hash to its name; gives the sound listings of folders."""
    listings: dict[str, dict[str, str]] = {}
    for path in sorted(cache.glob("??/*")):
        name = path.parent.name + path.name
        report.cached += 1
        if md5(path) != name.removesuffix(".dir"):
            advice = "delete it, then `dvc fetch`, or `dvc commit -f` while the workspace is sound"
            report.problems.append(f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}: "
                                   f"its content is not what its name says; {advice}")  # fmt: skip
        elif name.endswith(".dir"):
            entries: list[dict[str, str]] = json.loads(path.read_bytes())
            listings[name] = {entry["relpath"]: entry["md5"] for entry in entries}
    return listings


def _advice(path: Path, is_output: bool) -> str:
    undo = f"`dvc checkout {path}` brings the recorded one back"
    if not is_output:
        return "`dvc repro` works with it as it is"
    if path.parent == paths.RAW:
        return f"`dvc add {path}` takes it as it is, {undo}"
    return f"{undo}, or `dvc repro` makes it anew"


def _check_entry(
    path: Path, digest: str, listings: dict[str, dict[str, str]], report: Report, advice: str
) -> Iterator[str]:
    """One recorded file or folder; a folder whose listing is not cached is compared as a whole."""
    if not path.exists():
        yield f"{path}: missing; {advice}"
    elif not digest.endswith(".dir"):
        report.files += 1
        if not path.is_file() or md5(path) != digest:
            yield f"{path}: changed since it was recorded; {advice}"
    else:
        found = dict(_folder(path))
        report.files += len(found)
        wanted = listings.get(digest)
        if wanted is None:
            if _listing_digest(found) != digest:
                yield f"{path}: changed since it was recorded; {advice}"
            return
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                what = "missing" if name not in found else "new" if name not in wanted else "changed"
                yield f"{path}/{escaped(name)}: {what} since {path} was recorded; {advice}"


def _folder(path: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.endswith(paths.PART) and file.name not in _ignored():
            yield file.relative_to(path).as_posix(), md5(file)


def _ignored() -> set[str]:
    """Names that the project's .dvcignore leaves out; it has plain names and endings only."""
    path = Path(".dvcignore")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {line.strip() for line in lines if line and not line.startswith(("#", "*"))}


def _listing_digest(found: dict[str, str]) -> str:
    """The digest that DVC gives a folder: that of its listing, as it writes it."""
    entries: list[dict[str, Any]] = [{"md5": found[name], "relpath": name} for name in sorted(found)]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
