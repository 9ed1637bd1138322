"""`shoepair forget --purge`: delete all cached data of withdrawn students.

DVC's cache holds every version of every file under its digest. Folder listings name the photos. Tables, stores and
texts are searched for the student. An image that no batch ever held is a plot, and is deleted unless in use. What git,
remotes and earlier models still hold is reported.
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
from shoepair.commands.dvc_records import DatasetVersion
from shoepair.data import naming
from shoepair.data.store import Store
from shoepair.runtime import paths, progress
from shoepair.runtime.errors import ShoepairError, escape_unprintable

IMAGE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8")
EMBEDDED_IMAGE = b"data:image/"  # an image within a page
SAFETENSORS_MARK = b"{"  # at byte 8 of a safetensors file, which holds numbers and no names
MAX_LISTED_COMMITS = 5  # commits listed one by one

WithdrawnStudent = tuple[str, str]  # batch, student


@dataclass
class PurgeResult:
    """The result of a purge: deleted cache files by type, freed bytes, and what remains elsewhere, a line each."""

    deleted_counts: Counter[str] = field(default_factory=Counter)  # photo, listing, table, store, text, picture, run
    freed_bytes: int = 0
    remaining: list[str] = field(default_factory=list)


def purge_withdrawn_students() -> PurgeResult:
    """Delete from DVC's cache every file that holds data of a student in data/withdrawn.yaml.

    Raises:
        ShoepairError: no student is withdrawn, or the workspace still holds one; nothing was deleted.
    """
    by_batch = withdrawn.withdrawn_students_by_batch()
    people = [(batch, student) for batch, students in by_batch.items() for student in students]
    if not people:
        message = f"{paths.WITHDRAWN_LIST}: no student is withdrawn"
        raise ShoepairError(message, fix="run `shoepair forget STUDENT --batch BATCH` first")
    _raise_if_present(people)
    with Repo() as repo:
        cache, run_cache = Path(repo.cache.local.path), Path(repo.cache.legacy.path) / "runs"
        remotes = sorted(repo.config["remote"])
    versions = list(dvc_records.iter_versions())
    listings = {
        dvc_records.digest_from_cache_path(path): dvc_records.read_cached_folder_digests(path)
        for path in cache.glob("??/*.dir")
    }
    types = dict(_files_to_delete(people, cache, versions, listings))
    freed_bytes = sum(path.stat().st_size for path in types)
    folds = [path for path in _fold_score_paths() if any(_mentions_student(path, *person) for person in people)]
    digests = {dvc_records.digest_from_cache_path(path) for path in types}
    # DVC's cached runs with these files cannot be restored any more.
    runs = [path for path in run_cache.glob("??/*/*") if _names_any(path.read_text(), digests)]
    for path in (*types, *folds, *runs):
        path.unlink()
    deleted = Counter(types.values())
    deleted.update(fold=len(folds), run=len(runs))
    remaining = [*_clean_copies(people), *_describe_unreachable(people, versions, listings, remotes)]
    return PurgeResult(deleted, freed_bytes, remaining)


def _names_any(record: str, digests: set[str]) -> bool:
    """Return whether the record of a stage run names one of the digests."""
    return any(digest in record for digest in digests)


def _raise_if_present(people: list[WithdrawnStudent]) -> None:
    """Raise if the workspace still holds withdrawn students: files in use are not deleted."""
    problems = [
        f"{escape_unprintable(str(path))}: holds {student}"
        for batch, student in people
        for path in _workspace_files(batch)
        if (
            naming.extract_student_id(path.name) == student
            if path.is_relative_to(paths.RAW_FOLDER)
            else _mentions_student(path, batch, student)
        )
    ]
    if problems:
        message = f"the workspace still holds withdrawn students, in {len(problems)} files"
        raise ShoepairError(message, problems=problems, fix="run `dvc repro`, then `shoepair forget --purge` again")


def _workspace_files(batch: str) -> Iterator[Path]:
    """Yield the files of the workspace that could hold a student of this batch."""
    per_batch = (paths.manifest_path, paths.accepted_path, paths.image_stats_path, paths.store_path)
    tables = (paths.SPLIT, paths.PAIRS, paths.SCORES, paths.NEAR_DUPLICATES, paths.LABEL_ISSUES)
    yield from (path for path in (*(path_of(batch) for path_of in per_batch), *tables) if path.is_file())
    folds = _fold_score_paths()
    folders = [Path(name) for name in ("data/crossval", "plots", "reports", "metrics", "checkpoints")]
    for folder in (paths.raw_path(batch), *folders):
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and path not in folds)


def _fold_score_paths() -> list[Path]:
    """List the score files of cross-validation folds: no outputs, recomputed when needed."""
    return sorted(paths.fold_scores_path("any", "").parent.glob("*.parquet"))


def _mentions_student(path: Path, batch: str, student: str) -> bool:
    """Return whether a file has a row or text about a student; images and weights never do."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(b"PAR1"):
        return _table_mentions_student(path, batch, student)
    if start.startswith(b"\x89HDF"):
        return _store_has_student(path, student)
    if start.startswith(IMAGE_MAGIC) or start[8:9] == SAFETENSORS_MARK:
        return False
    pattern = rb"(?<![A-Za-z0-9])" + re.escape(student.encode()) + rb"(?![0-9])"
    return re.search(pattern, path.read_bytes(), re.IGNORECASE) is not None


def _table_mentions_student(path: Path, batch: str, student: str) -> bool:
    try:
        columns = parquet.read_table(path).to_pydict()
    except (arrow.ArrowInvalid, OSError):
        return True  # unreadable: deleted to be safe
    students = [naming.extract_student_id(str(name)) for name in columns.get("student") or columns.get("path") or []]
    batches = columns.get("batch") or [batch] * len(students)
    return (batch, student) in set(zip(batches, students, strict=True))


def _store_has_student(path: Path, student: str) -> bool:
    try:
        with Store(path) as store:
            return student in store.student_ids
    except ShoepairError:
        return True  # as above


def _files_to_delete(
    people: list[WithdrawnStudent],
    cache_folder: Path,
    versions: list[DatasetVersion],
    listings: dict[str, dict[str, str]],
) -> Iterator[tuple[Path, str]]:
    """Yield the unused cached files that hold data of one of the people, each with its type."""
    used = dvc_records.read_used_digests()
    used |= {file for digest in used for file in listings.get(digest, {}).values()}
    batch_photos = {file for listing in listings.values() for path, file in listing.items() if _is_photo_name(path)}
    withdrawn_photos = {
        digest: _withdrawn_photo_digests(digest, listing, people, versions) for digest, listing in listings.items()
    }
    photo_digests = {photo for photos in withdrawn_photos.values() for photo in photos}
    for path in progress.track(sorted(cache_folder.glob("??/*")), "purge", "file"):
        digest = dvc_records.digest_from_cache_path(path)
        if digest in used:
            continue
        if withdrawn_photos.get(digest):
            yield path, "listing"
        elif digest in photo_digests:
            yield path, "photo"
        elif digest not in batch_photos and digest not in listings and (file_type := _deletable_type(path, people)):
            yield path, file_type


def _withdrawn_photo_digests(
    digest: str, listing: dict[str, str], people: list[WithdrawnStudent], versions: list[DatasetVersion]
) -> set[str]:
    """Return the digests of the photos in a listing that show one of the people.

    A listing that no version of the project names belongs to an unknown batch; it counts as one of theirs.
    """
    batches = {batch for version in versions for batch, raw in version.batch_digests.items() if raw == digest}
    names = {student for batch, student in people if not batches or batch in batches}
    return {file for path, file in listing.items() if naming.extract_student_id(Path(path).name) in names}


def _deletable_type(path: Path, people: list[WithdrawnStudent]) -> str:
    """Return the type of a cached file that must be deleted, else ""."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(IMAGE_MAGIC):
        return "picture"
    if any(_mentions_student(path, batch, student) for batch, student in people):
        return {b"PAR1": "table", b"\x89HDF": "store"}.get(start[:4], "text")
    return "text" if start[8:9] != SAFETENSORS_MARK and EMBEDDED_IMAGE in path.read_bytes() else ""


def _is_photo_name(path: str) -> bool:
    try:
        naming.parse_photo_name(Path(path).name)
    except naming.PhotoError:
        return False
    return True


def _clean_copies(people: list[WithdrawnStudent]) -> Iterator[str]:
    """Delete copies of photos in DVC's temporary workspaces; yield a line for each copy elsewhere in the project."""
    names = {student for _, student in people}
    for path in sorted(Path().rglob("*_*")):
        if (
            naming.extract_student_id(path.name) not in names
            or not path.is_file()
            or path.is_relative_to(paths.RAW_FOLDER)
        ):
            continue
        if path.is_relative_to(".dvc/tmp"):
            path.unlink()
        else:
            yield f"{escape_unprintable(str(path))}: named like a withdrawn student's photo, delete it if it is theirs"


def _describe_unreachable(
    people: list[WithdrawnStudent],
    versions: list[DatasetVersion],
    listings: dict[str, dict[str, str]],
    remotes: list[str],
) -> Iterator[str]:
    """Yield a line for each place with data of the people that this program cannot delete."""
    yield "git history: digests and counts, no photos and no rows; commits that held them can no longer be restored"
    students_by_listing = {
        digest: {naming.extract_student_id(Path(path).name) for path in listing}
        for digest, listing in listings.items()
    }
    for batch, student in people:  # as far as the folder listing of a version was in the cache
        trained = [
            version
            for version in versions
            if version.trained_models and student in students_by_listing.get(version.batch_digests.get(batch, ""), ())
        ]
        for version in trained[:MAX_LISTED_COMMITS]:
            when = f"trained while {student} was in {batch!r}"
            yield f"models of commit {version.commit} ({version.date} {version.subject}): {when}"
        if len(trained) > MAX_LISTED_COMMITS:
            yield f"... and the models of {len(trained) - MAX_LISTED_COMMITS} more commits"
    for name in remotes:
        command = f"`dvc gc --workspace --cloud --remote {name}`"
        yield f"remote {name!r}: all pushed files; {command} deletes all but this version"
    yield "other clones and their caches: run `git pull`, `dvc repro` and `shoepair forget --purge` there too"
