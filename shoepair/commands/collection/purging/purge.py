"""The plan of a purge: what is deleted, what is left because nothing proves it theirs, what is out of reach.

The plan is made, and can be shown, before anything is deleted. Deleted are files that provably come from withdrawn
students: by DVC's records (`derivation`) or by their content (`contents`). Folder listings are deleted last: a purge
that was killed finds the photos again by them.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dvc.repo import Repo

from shoepair.commands import dvc_records, version_control
from shoepair.commands.collection import withdrawn
from shoepair.commands.collection.purging import receipts, records, remotes, search
from shoepair.commands.collection.purging.contents import Evidence
from shoepair.commands.collection.purging.derivation import Origins, ReadListing, name_student, trace_origins
from shoepair.commands.collection.purging.records import Version
from shoepair.commands.collection.purging.remotes import Remote
from shoepair.commands.collection.purging.search import Finding, Project
from shoepair.data.wording import count_with_noun
from shoepair.ingestion import file_manifest
from shoepair.runtime import file_digests, paths, storage
from shoepair.runtime.errors import ShoepairError, escape_unprintable
from shoepair.runtime.file_digests import compute_md5


@dataclass
class PurgePlan:
    """What a purge deletes, what it leaves, and what it cannot reach."""

    repo: Repo
    project: Project
    students_by_batch: Mapping[str, Sequence[str]]
    findings: list[Finding]
    remotes: list[Remote]
    remaining: list[str]  # out of reach, a line each

    @property
    def doomed(self) -> list[Finding]:
        """What will be deleted on this machine."""
        return [finding for finding in self.findings if not finding.reason]

    @property
    def unproven(self) -> list[Finding]:
        """What is left, although a person can delete it: it may hold the students."""
        return [finding for finding in self.findings if finding.reason]

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """The number of files that will be deleted, by place and kind."""
        counts = Counter((finding.place, finding.kind) for finding in self.doomed)
        for remote in self.remotes:
            place = f"remote {remote.name!r}"
            counts.update((place, kind) for kind in remote.found.values())
            counts.update((place, "run") for _ in remote.found_runs)
        return counts

    @property
    def warnings(self) -> list[str]:
        """What the deletion means for others; empty if it concerns this project alone."""
        lines = [
            f"remote {remote.name!r} ({remote.address}): other projects and clones may use it; only files that this"
            " project's versions name are deleted, and whoever else has the same files there loses them"
            for remote in self.remotes
            if remote.found or remote.found_runs
        ]
        if self.project.cache_is_shared and any(finding.place == search.CACHE for finding in self.doomed):
            lines.append(
                f"cache {self.project.run_cache.parent}: outside this project or shared, so other projects may use it;"
                " only files that this project's versions name are deleted, and a project with the same files loses"
                " them there too"
            )
        return lines

    def execute(self) -> Path | None:
        """Delete what was found; return the receipt, or None if there is nothing new to record."""
        noted = receipts.begin(self.counts)
        for remote in self.remotes:
            remotes.delete_found(remote)
        self.repo.close()  # its databases are deleted too
        for finding in sorted(self.doomed, key=lambda found: found.path.name.endswith(file_digests.DIRECTORY_SUFFIX)):
            _delete(finding.path)
        return receipts.end(noted, self.students_by_batch, self.unproven, self.remaining)


def _delete(path: Path) -> None:
    """Delete a file or folder; of a folder last what a repeated purge knows it by: DVC's folder, Ray's logs."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for child in sorted(path.iterdir(), key=lambda child: (child.name in {".dvc", "logs"}, child.name)):
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
    path.rmdir()


@contextmanager
def plan_purge(remote_names: Sequence[str] = ()) -> Iterator[PurgePlan]:
    """Find what this machine and the named remotes hold of the students in data/withdrawn.yaml; delete nothing.

    Raises:
        ShoepairError: no student is withdrawn, the version in use still holds one, or a remote cannot be read.
    """
    students_by_batch = {batch: names for batch, names in withdrawn.withdrawn_students_by_batch().items() if names}
    if not students_by_batch:
        message = f"{paths.WITHDRAWN_LIST}: no student is withdrawn"
        raise ShoepairError(message, fix="run `shoepair forget STUDENT --batch BATCH` first")
    with version_control.open_repo() as repo:
        project = _locate(repo)
        opened = remotes.open_remotes(repo, remote_names)
        in_git, blobs = records.read_git_objects()
        in_use = _read_versions_in_use({stage.addressing for stage in repo.index.stages})
        others = [path for folder in search.list_workspaces() for path in _record_files(folder)]
        if not project.cache_is_shared:
            others += sorted(project.run_cache.glob("??/*/*"))
        lock = records.read_files([dvc_records.LOCK_PATH]) if dvc_records.LOCK_PATH.is_file() else []
        versions = [*in_git, *in_use, *lock, *records.read_files(others)]
        read_listing = _listing_reader(project, in_use, opened)
        _raise_if_unknown(in_use, read_listing, students_by_batch)
        tracked = {
            path.as_posix(): compute_md5(path) for path in version_control.list_tracked_files() if path.is_file()
        }
        origins = trace_origins(versions, read_listing, students_by_batch, tracked)
        _raise_if_in_use(in_use, read_listing, origins, students_by_batch)
        evidence = _collect_evidence(project, in_use, read_listing, origins, students_by_batch)
        findings = [
            *search.search_project(project, evidence, blobs),
            *search.search_temporary_folders(project, evidence),
            *search.search_site_cache(project, evidence),
            *search.search_run_cache(project, evidence),
            *search.search_cache(project, evidence),
            *search.search_git(evidence, blobs),
        ]
        for remote in opened:
            remotes.find_objects(remote, origins)
        unopened = sorted(set(repo.config["remote"]).difference(remote_names))
        yield PurgePlan(repo, project, students_by_batch, findings, opened, _describe_unreachable(unopened, opened))


def _locate(repo: Repo) -> Project:
    folder = Path(repo.cache.legacy.path).resolve()
    return Project(
        Path(repo.root_dir),
        Path(repo.cache.local.path),
        folder / "runs",
        Path(repo.site_cache_dir),
        not folder.is_relative_to(Path.cwd().resolve()) or bool(repo.config["cache"].get("shared")),
    )


def _record_files(folder: Path) -> list[Path]:
    """List the dvc.lock and the .dvc files of a project or workspace."""
    lock = folder / dvc_records.LOCK_PATH
    tracked = [path for path in search.walk_files(folder, {folder / ".dvc"}) if path.suffix == ".dvc"]
    return [*([lock] if lock.is_file() else []), *tracked]


def _read_versions_in_use(stages: set[str]) -> list[Version]:
    """Read the records of the workspace, of stages that the pipeline still has: dvc.lock keeps others too."""
    versions = records.read_files(_record_files(Path()))
    return [tuple(record for record in version if not record.stage or record.stage in stages) for version in versions]


def _listing_reader(project: Project, in_use: list[Version], opened: Sequence[Remote]) -> ReadListing:
    """Return a function that reads a folder listing from the cache, the workspace, or a remote."""
    folders = {digest: Path(path) for path, digest in _outs(in_use)}

    @cache
    def read(digest: str) -> dict[str, str] | None:
        path = project.cache / digest[:2] / digest[2:]
        if path.is_file() and (members := dvc_records.parse_listing(path.read_bytes())) is not None:
            return members
        if (folder := folders.get(digest)) and folder.is_dir():
            files = {
                file.relative_to(folder).as_posix(): compute_md5(file) for file in file_manifest.iter_files(folder)
            }
            if file_digests.hash_listing(files) == digest:
                return files
        found = (remotes.read_listing(remote, digest) for remote in opened)
        return next((members for members in found if members is not None), None)

    return read


def _outs(versions: list[Version]) -> Iterator[tuple[str, str]]:
    """Yield path and digest of every recorded output."""
    for version in versions:
        for record in version:
            yield from record.outs


def _raise_if_unknown(
    in_use: list[Version], read_listing: ReadListing, students_by_batch: Mapping[str, Sequence[str]]
) -> None:
    """Raise if nothing here says whose photos a batch in use has, such as in a clone before `dvc pull`."""
    for path, digest in _outs(in_use):
        if path in {paths.raw_path(batch).as_posix() for batch in students_by_batch} and read_listing(digest) is None:
            message = f"{path}: its photos and their listing are not in this clone, so nothing tells whose they are"
            raise ShoepairError(message, fix=f"run `dvc pull {path}.dvc` first, or add `--remote NAME`")


def _raise_if_in_use(
    in_use: list[Version], read_listing: ReadListing, origins: Origins, students_by_batch: Mapping[str, Sequence[str]]
) -> None:
    """Raise if the version in use comes from withdrawn students: files in use are not deleted."""
    problems = set()
    for record in (record for version in in_use for record in version):
        if any(digest in origins.theirs for _, digest in record.outs) and record.stage:
            problems.add(f"stage {record.stage}: its outputs were made of their photos")
        for path, digest in record.outs if not record.stage else ():
            is_folder = digest.endswith(file_digests.DIRECTORY_SUFFIX)
            members = (read_listing(digest) or {}) if is_folder else {}
            for name, member in members.items():
                if kind := origins.theirs.get(member):
                    problems.add(f"{escape_unprintable(f'{path}/{name}')}: {_DESCRIPTIONS[kind]}")
            if digest in origins.theirs and not is_folder:
                problems.add(f"{escape_unprintable(path)}: {_DESCRIPTIONS['photo']}")
    for batch, students in students_by_batch.items():
        folder = paths.raw_path(batch)
        for file in file_manifest.iter_files(folder) if folder.is_dir() else ():
            if name_student(file.as_posix()) in students:
                problems.add(f"{escape_unprintable(file.as_posix())}: {_DESCRIPTIONS['photo']}")
    if problems:
        message = f"the version in use still holds withdrawn students, in {count_with_noun(len(problems), 'place')}"
        fix = (
            "run `shoepair forget STUDENT --batch BATCH` again if photos are there, then `dvc repro`, then"
            " `shoepair forget --purge`"
        )
        raise ShoepairError(message, problems=sorted(problems), fix=fix)


_DESCRIPTIONS = {
    "photo": "a photo of theirs",
    "listing": "a list of their photos",
    "system file": "came with their photos, and may hold small copies of them; delete it, then `dvc add` the batch",
}


def _collect_evidence(
    project: Project,
    in_use: list[Version],
    read_listing: ReadListing,
    origins: Origins,
    students_by_batch: Mapping[str, Sequence[str]],
) -> Evidence:
    """Gather what unknown files are compared with."""
    roots = [digest for version in in_use for record in version if not record.stage for _, digest in record.outs]
    listings = [read_listing(digest) or {} for digest in roots if digest.endswith(file_digests.DIRECTORY_SUFFIX)]
    stores = [digest for digest, kind in origins.theirs.items() if kind == "store"]
    return Evidence(
        students_by_batch,
        origins,
        present_students={name_student(name) for listing in listings for name in listing} - {""},
        their_stores=[path for digest in stores if (path := project.cache / digest[:2] / digest[2:]).is_file()],
        stores_in_use=sorted(paths.STORE_FOLDER.glob("*.h5")),
        pages_in_use=sorted(Path("reports").glob("*.html")),
    )


def _describe_unreachable(unopened: Sequence[str], opened: Sequence[Remote]) -> list[str]:
    """Return a line for each place that this program cannot reach, or was not told to."""
    lines = ["git history: digests, ids in commit messages, counts; no photos and no tables"]
    lines += [f"remote {name!r}: all pushed files; `--remote {name}` deletes theirs there too" for name in unopened]
    lines += [f"remote {remote.name!r}: older versions and backups, if its server keeps any" for remote in opened]
    if root := os.environ.get(storage.ROOT_VARIABLE):
        lines.append(f"{root}: photos and stores that were uploaded for other machines")
    return [
        *lines,
        "other clones and their caches: run `git pull`, `dvc repro` and `shoepair forget --purge` there too",
        "copies outside this project: the folder or archive that was handed in, exports to other folders, backups",
    ]
