"""Which recorded files come from the photos of withdrawn students: told from DVC's records, without reading the files.

A listing of a batch's photos names its students. Every output of a stage that read something of theirs is theirs too:
tables, stores, models, pages. An output that a stage also made without them (the same bytes) is not theirs: nothing of
them can be in it. So older versions from before the student, and the version in use after the withdrawal, keep all
their files.

A listing that cannot be read any more, of a batch with a withdrawn student, counts as one with the student.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from shoepair.commands.collection.purging.records import StageRecord, Version
from shoepair.data import naming
from shoepair.ingestion import ignored_files
from shoepair.runtime.file_digests import DIRECTORY_SUFFIX, hash_listing

ReadListing = Callable[[str], "dict[str, str] | None"]  # digest -> members; None if the listing is nowhere

KINDS = {
    ".parquet": "table",
    ".h5": "store",
    ".safetensors": "model",
    ".onnx": "model",
    ".png": "picture",
    ".jpg": "picture",
    ".html": "page",  # has pictures in it
}


def kind_of(path: str) -> str:
    """Return the kind of a recorded output by its path, such as "table"; "text" is any other."""
    return KINDS.get(PurePosixPath(path).suffix.lower(), "text")


@dataclass
class Origins:
    """The recorded digests.

    Args:
        theirs: of files that come from withdrawn students, with their kind.
        others: of all other outputs and photos.
        named: of everything in the records, inputs such as code too.
    """

    theirs: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)

    @property
    def photos(self) -> set[str]:
        """The digests of the students' photos."""
        return {digest for digest, kind in self.theirs.items() if kind == "photo"}


def trace_origins(
    versions: Sequence[Version],
    read_listing: ReadListing,
    students_by_batch: Mapping[str, Iterable[str]],
    tracked_files: Mapping[str, str] | None = None,
) -> Origins:
    """Divide all recorded digests into those that come from the withdrawn students, and the others.

    Args:
        versions: the records of every version of the project.
        read_listing: reads a folder's listing by its digest.
        students_by_batch: the withdrawn students, such as {"winter": ["u052"]}.
        tracked_files: digests of the files that git tracks, which may lie in a folder beside outputs.
    """
    origins = Origins()
    records = {record for version in versions for record in version}
    roots = sorted({out for record in records if not record.deps and not record.stage for out in record.outs})
    _trace_photos(origins, roots, read_listing, {batch: set(names) for batch, names in students_by_batch.items()})
    made = [record for record in records if record.deps or record.stage]
    _trace_outputs(origins, made, _FolderIndex(versions, tracked_files or {}), read_listing)
    origins.others -= origins.theirs.keys()
    origins.named = {digest for record in records for digest in record.digests}
    return origins


def _trace_photos(
    origins: Origins, roots: Sequence[tuple[str, str]], read_listing: ReadListing, students: Mapping[str, set[str]]
) -> None:
    """Find the students' photos and the listings that name them, in everything that `dvc add` tracked."""
    listings = {digest: read_listing(digest) for _, digest in roots if _is_folder(digest)}
    for path, digest in roots:
        for name, member in (listings.get(digest) or {}).items():
            if name_student(name) in students.get(PurePosixPath(path).name, ()):
                origins.theirs[member] = "photo"
    system_files: set[str] = set()
    for path, digest in roots:
        members, has_withdrawn = listings.get(digest), PurePosixPath(path).name in students
        if digest in origins.photos:
            continue  # a photo that was tracked by itself
        if _is_folder(digest) and members is None and has_withdrawn:
            origins.theirs[digest] = "listing"
        elif members and not origins.photos.isdisjoint(members.values()):
            origins.theirs[digest] = "listing"
            # A file manager's file holds small copies of the photos beside it.
            system_files |= {member for name, member in members.items() if ignored_files.is_system_file(Path(name))}
            origins.others |= set(members.values())
        else:
            origins.others |= {digest, *(members or {}).values()}
    of_others = {
        member
        for path, digest in roots
        if digest not in origins.theirs and PurePosixPath(path).name not in students
        for member in (listings.get(digest) or {}).values()
    }
    origins.theirs |= dict.fromkeys(system_files - of_others - origins.photos, "system file")


def name_student(path: str) -> str:
    """Return the student that the name of a photo names, or ""."""
    return naming.extract_student_id(PurePosixPath(path).name)


class _FolderIndex:
    """Members of folders that stages depend on: DVC records a folder's digest only, such as that of `data/store`."""

    def __init__(self, versions: Iterable[Version], tracked_files: Mapping[str, str]) -> None:
        outs = {out for version in versions for record in version for out in record.outs}
        self._by_folder: dict[str, set[str]] = defaultdict(set)  # all files that were ever in a folder
        for path, digest in outs:
            for parent in PurePosixPath(path).parents:
                self._by_folder[parent.as_posix()].add(digest)
        self._members: dict[str, frozenset[str]] = {}
        for version in versions:
            files = {path: digest for record in version for path, digest in record.outs}
            folders = {path for record in version for path, digest in record.deps if _is_folder(digest)}
            for folder in folders & self._by_folder.keys():
                for present in (files, {**tracked_files, **files}):
                    self._add(folder, present)

    def _add(self, folder: str, files: Mapping[str, str]) -> None:
        start = f"{folder}/"
        members = {path.removeprefix(start): files[path] for path in files if path.startswith(start)}
        self._members[hash_listing(members)] = frozenset(members.values())

    def members(self, path: str, digest: str) -> frozenset[str] | set[str]:
        """Return the files of a folder: those of this digest, or, if that is unknown, all that were ever in it."""
        known = self._members.get(digest)
        return self._by_folder.get(path, set()) if known is None else known


def _is_folder(digest: str) -> bool:
    return digest.endswith(DIRECTORY_SUFFIX)


def _trace_outputs(
    origins: Origins, records: Sequence[StageRecord], folders: _FolderIndex, read_listing: ReadListing
) -> None:
    """Follow the records from the photos to everything that was made of them."""
    inputs = {
        record: {
            part
            for path, digest in record.deps
            for part in (digest, *(folders.members(path, digest) if _is_folder(digest) else ()))
        }
        for record in records
    }
    theirs = set(origins.theirs)
    while True:
        from_them = [record for record in records if not inputs[record].isdisjoint(theirs)]
        made_of_them = {out: path for record in from_them for path, out in record.outs}
        without_them = {out for record in set(records).difference(from_them) for _, out in record.outs}
        if made_of_them.keys() - without_them <= theirs:
            break
        theirs |= made_of_them.keys() - without_them
    for out in without_them:
        origins.others |= {out, *((read_listing(out) or {}).values() if _is_folder(out) else ())}
    for out in theirs - origins.theirs.keys():
        path = made_of_them[out]
        if not _is_folder(out):
            origins.theirs[out] = kind_of(path)
            continue
        origins.theirs[out] = "listing"
        for name, member in (read_listing(out) or {}).items():
            if member not in origins.others:
                origins.theirs.setdefault(member, kind_of(name))
