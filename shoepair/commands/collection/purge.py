"""Forgetting for good: no photo, row, pair, score or plot of a withdrawn student stays in the workspace or the cache.

DVC's cache holds every version of everything under its digest. Listings of folders name the photos; tables, stores and
texts are opened and asked for the student; a picture that no batch ever held is a plot, and goes unless it is in use.
What git, remotes and earlier models keep is told, since it cannot be reached from here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
from dvc.repo import Repo

from shoepair.commands import dvc_records
from shoepair.commands.collection import withdrawn
from shoepair.commands.dvc_records import Version
from shoepair.data import naming
from shoepair.data.store import Store
from shoepair.runtime import paths, progress
from shoepair.runtime.errors import ShoepairError, escaped

PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8")
EMBEDDED = b"data:image/"  # a picture within a page
WEIGHTS = b"{"  # at byte 8 of a safetensors file, which holds numbers and no names
SHOWN = 5  # commits named in full

Person = tuple[str, str]  # batch, student


@dataclass
class Purged:
    """What went from the cache, and what remains elsewhere, a line each."""

    deleted: Counter[str] = field(default_factory=Counter)  # photo, listing, table, store, text, picture, run
    bytes: int = 0
    remains: list[str] = field(default_factory=list)


def purge() -> Purged:
    """Delete what the cache still holds of everyone in data/withdrawn.yaml.

    Raises:
        ShoepairError: nobody withdrew, or the outputs of the pipeline still hold someone; nothing was deleted.
    """
    people = [(batch, student) for batch, students in withdrawn.load().items() for student in students]
    if not people:
        found = f"{paths.WITHDRAWN}: nobody withdrew"
        raise ShoepairError(found, fix="run `shoepair forget STUDENT --batch BATCH` first")
    _refuse_present(people)
    with Repo() as repo:
        cache, run_cache = Path(repo.cache.local.path), Path(repo.cache.legacy.path) / "runs"
        remotes = sorted(repo.config["remote"])
    versions = list(dvc_records.versions())
    listings = {dvc_records.digest_of(path): dvc_records.listing(path) for path in cache.glob("??/*.dir")}
    guilty = dict(_guilty(people, cache, versions, listings))
    length = sum(path.stat().st_size for path in guilty)
    folds = [path for path in _folds() if any(_holds(path, *person) for person in people)]
    digests = {dvc_records.digest_of(path) for path in guilty}
    # What DVC remembers of stage runs with these files: they cannot be restored any more.
    runs = [path for path in run_cache.glob("??/*/*") if _names_any(path.read_text(), digests)]
    for path in (*guilty, *folds, *runs):
        path.unlink()
    deleted = Counter(guilty.values())
    deleted.update(fold=len(folds), run=len(runs))
    return Purged(deleted, length, [*_copies(people), *_elsewhere(people, versions, listings, remotes)])


def _names_any(record: str, digests: set[str]) -> bool:
    """Whether the record of a stage run names one of the digests."""
    return any(digest in record for digest in digests)


def _refuse_present(people: list[Person]) -> None:
    """The pipeline must have run without them: what is in use is not deleted."""
    problems = [
        f"{escaped(str(path))}: holds {student}"
        for batch, student in people
        for path in _places(batch)
        if (naming.owner(path.name) == student if path.is_relative_to(paths.RAW) else _holds(path, batch, student))
    ]
    if problems:
        found = f"the workspace still holds students who withdrew, in {len(problems)} files"
        raise ShoepairError(found, problems=problems, fix="run `dvc repro`, then `shoepair forget --purge` again")


def _places(batch: str) -> Iterator[Path]:
    """The files of the workspace that could hold a student of this batch."""
    named = [paths.table(batch), paths.valid(batch), paths.signs(batch), paths.store(batch), paths.SPLIT, paths.PAIRS]
    named += [paths.SCORES, paths.DUPLICATES, paths.SUSPECTS]
    yield from (path for path in named if path.is_file())
    folds = _folds()
    folders = [Path(name) for name in ("data/crossval", "plots", "reports", "metrics", "checkpoints")]
    for folder in (paths.raw(batch), *folders):
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and path not in folds)


def _folds() -> list[Path]:
    """The scores that cross-validations keep: no output, but worked out anew when they are wanted."""
    return sorted(paths.fold("any", "").parent.glob("*.parquet"))


def _holds(path: Path, batch: str, student: str) -> bool:
    """Whether a file has a row or a text about a student; pictures and weights are mute."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(b"PAR1"):
        return _table_holds(path, batch, student)
    if start.startswith(b"\x89HDF"):
        return _store_holds(path, student)
    if start.startswith(PICTURES) or start[8:9] == WEIGHTS:
        return False
    mention = rb"(?<![A-Za-z0-9])" + re.escape(student.encode()) + rb"(?![0-9])"
    return re.search(mention, path.read_bytes(), re.IGNORECASE) is not None


def _table_holds(path: Path, batch: str, student: str) -> bool:
    try:
        columns = parquet.read_table(path).to_pydict()
    except (arrow.ArrowInvalid, OSError):
        return True  # unreadable, so useless, and nobody can tell that it is innocent
    students = [naming.owner(str(name)) for name in columns.get("student") or columns.get("path") or []]
    batches = columns.get("batch") or [batch] * len(students)
    return (batch, student) in set(zip(batches, students, strict=True))


def _store_holds(path: Path, student: str) -> bool:
    try:
        with Store(path) as store:
            return student in store.students
    except ShoepairError:
        return True  # as above


def _guilty(
    people: list[Person], cache: Path, versions: list[Version], listings: dict[str, dict[str, str]]
) -> Iterator[tuple[Path, str]]:
    """The cached files that show or name one of the people, each with its kind; none that is in use."""
    used = dvc_records.in_use()
    used |= {file for digest in used for file in listings.get(digest, {}).values()}
    photographed = {file for listing in listings.values() for path, file in listing.items() if _is_photo(path)}
    theirs = {digest: _theirs(digest, listing, people, versions) for digest, listing in listings.items()}
    shots = {shot for some in theirs.values() for shot in some}
    for path in progress.track(sorted(cache.glob("??/*")), "purge", "file"):
        digest = dvc_records.digest_of(path)
        if digest in used:
            continue
        if theirs.get(digest):
            yield path, "listing"
        elif digest in shots:
            yield path, "photo"
        elif digest not in photographed and digest not in listings and (kind := _kind(path, people)):
            yield path, kind


def _theirs(digest: str, listing: dict[str, str], people: list[Person], versions: list[Version]) -> set[str]:
    """The digests of the photos in a listing that are of one of the people.

    A listing that no version of the project names is of no batch for certain; it counts as one of theirs.
    """
    batches = {batch for version in versions for batch, raw in version.raw.items() if raw == digest}
    names = {student for batch, student in people if not batches or batch in batches}
    return {file for path, file in listing.items() if naming.owner(Path(path).name) in names}


def _kind(path: Path, people: list[Person]) -> str:
    """What a cached file is, if it has to go; else nothing."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(PICTURES):
        return "picture"
    if any(_holds(path, batch, student) for batch, student in people):
        return {b"PAR1": "table", b"\x89HDF": "store"}.get(start[:4], "text")
    return "text" if start[8:9] != WEIGHTS and EMBEDDED in path.read_bytes() else ""


def _is_photo(path: str) -> bool:
    try:
        naming.parse(Path(path).name)
    except naming.PhotoError:
        return False
    return True


def _copies(people: list[Person]) -> Iterator[str]:
    """Photos elsewhere in the project's folder: DVC's temporary workspaces go, a person's own copies are told."""
    names = {student for _, student in people}
    for path in sorted(Path().rglob("*_*")):
        if naming.owner(path.name) not in names or not path.is_file() or path.is_relative_to(paths.RAW):
            continue
        if path.is_relative_to(".dvc/tmp"):
            path.unlink()
        else:
            yield f"{escaped(str(path))}: a file of this name, delete it if it is theirs"


def _elsewhere(
    people: list[Person], versions: list[Version], listings: dict[str, dict[str, str]], remotes: list[str]
) -> Iterator[str]:
    """What cannot be reached from here, a line each."""
    yield "git history: digests and counts, no photos and no rows; commits that held them can no longer be restored"
    owners = {digest: {naming.owner(Path(path).name) for path in listing} for digest, listing in listings.items()}
    for batch, student in people:  # as far as the listing of a version was in the cache
        models = [each for each in versions if each.models and student in owners.get(each.raw.get(batch, ""), ())]
        for version in models[:SHOWN]:
            made = f"made while {student} was in {batch!r}"
            yield f"models of commit {version.commit} ({version.date} {version.subject}): {made}"
        if len(models) > SHOWN:
            yield f"... and the models of {len(models) - SHOWN} more commits"
    for name in remotes:
        command = f"`dvc gc --workspace --cloud --remote {name}`"
        yield f"remote {name!r}: what was pushed; {command} deletes all but this version"
    yield "other clones and their caches: run `git pull`, `dvc repro` and `shoepair forget --purge` there too"
