"""Search of every place on this machine for files of withdrawn students.

The project folder, the workspaces of experiments, DVC's cache and its site cache (which has names and digests),
git's object database, and the temporary folders of this project's programs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from shoepair.commands import dvc_records, version_control
from shoepair.commands.collection.purging import records
from shoepair.commands.collection.purging.contents import (
    INNOCENT,
    THEIRS,
    UNPROVEN,
    Evidence,
    Verdict,
    judge_content,
    judge_file,
)
from shoepair.commands.collection.purging.derivation import Origins, name_student
from shoepair.commands.collection.purging.records import GitBlob
from shoepair.data import naming
from shoepair.runtime import atomic_files, file_digests, paths, progress

PROJECT, EXPERIMENTS, CACHE = "project folder", "experiments' workspaces", "DVC's cache"
SITE_CACHE, TEMPORARY, GIT = "DVC's site cache", "temporary folders", "git"
EXPERIMENTS_FOLDER = Path(".dvc/tmp/exps")
RECEIPTS_FOLDER = Path("reports/withdrawals")
# Written by programs, and written again by them when needed: what may hold the students is deleted without a proof.
DISPOSABLE_FOLDERS = (".dvc/tmp", "dvc_plots", "checkpoints")
# Written by programs: a text that names a student is theirs. Elsewhere it may be a person's own.
WRITTEN_FOLDERS = (*DISPOSABLE_FOLDERS, "data", "models", "plots", "reports", "metrics")
MAX_LOG_BYTES = 64 << 20  # of a log of Ray that is read: longer ones are left alone
# Of tools that see no photos.
TOOL_FOLDERS = {
    *(".git", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache"),
    *(".hypothesis", "shoepair.egg-info"),
}


@dataclass(frozen=True)
class Finding:
    """A file or folder that holds withdrawn students, or, with a reason, may hold them."""

    place: str
    kind: str
    path: Path
    reason: str = ""  # why it is not deleted, although it could be


@dataclass(frozen=True)
class Project:
    """Where a project's data is. All paths but that of `root` may be relative to it, the current folder."""

    root: Path
    cache: Path  # objects by digest
    run_cache: Path
    site_cache: Path
    cache_is_shared: bool  # it lies outside the project, or DVC is told that others use it


def walk_files(folder: Path, skipped: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield all files under a folder in order, without links, virtual environments and caches of tools."""
    left_out = set(skipped)
    for name, folders, files in os.walk(folder):
        parent = Path(name)
        folders[:] = sorted(
            child
            for child in folders
            if child not in TOOL_FOLDERS
            and parent / child not in left_out
            and not (parent / child / "pyvenv.cfg").is_file()
        )
        for file in sorted(files):
            path = parent / file
            if path.is_file() and not path.is_symlink():
                yield path


def search_project(project: Project, evidence: Evidence, blobs: list[GitBlob]) -> Iterator[Finding]:
    """Yield what the project folder holds, without DVC's cache; experiments' workspaces as wholes."""
    in_git = {blob.md5 for blob in blobs}
    tracked = version_control.list_tracked_files()
    cache = Path(os.path.relpath(project.run_cache.parent))
    workspaces = list_workspaces()
    for path in progress.track(list(walk_files(Path(), {cache, *workspaces})), "search", "file"):
        if path == paths.WITHDRAWN_LIST or path.is_relative_to(RECEIPTS_FOLDER):
            continue
        verdict = _judge_in_project(path, evidence, in_git, is_tracked=path in tracked)
        if verdict.holds == THEIRS or (verdict.holds == UNPROVEN and _is_disposable(path)):
            yield Finding(PROJECT, verdict.kind, path)
        elif verdict.holds == UNPROVEN:
            yield Finding(PROJECT, verdict.kind, path, verdict.reason)
    for workspace in workspaces:
        files = walk_files(workspace)
        if any(_judge_in_project(path, evidence, in_git).holds != INNOCENT for path in files):
            yield Finding(EXPERIMENTS, "workspace", workspace)


def list_workspaces() -> list[Path]:
    """List the temporary workspaces of experiments, finished or killed ones."""
    return sorted(path.parent for path in EXPERIMENTS_FOLDER.rglob(".dvc") if path.is_dir())


def _is_disposable(path: Path) -> bool:
    is_partial = any(
        part.suffix == atomic_files.PARTIAL_SUFFIX for part in (path, *path.parents)
    )  # or in such a folder
    is_half_written = is_partial and _is_in(path, WRITTEN_FOLDERS)
    return is_half_written or _is_in(path, DISPOSABLE_FOLDERS)


def _is_in(path: Path, folders: Iterable[str]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _judge_in_project(path: Path, evidence: Evidence, in_git: set[str], *, is_tracked: bool = False) -> Verdict:
    """Judge a file of the project. What git has is judged there: its texts may have any id, as an example."""
    digest = file_digests.compute_md5(path)
    is_in_git = is_tracked or digest in in_git
    if (kind := evidence.origins.theirs.get(digest)) and not (is_in_git and kind == "text"):
        return Verdict(THEIRS, kind)
    if is_in_git or digest in evidence.origins.others:
        return Verdict(INNOCENT, "")
    verdict = judge_content(path, evidence)
    if verdict.holds == THEIRS and verdict.kind == "text" and not _is_in(path, WRITTEN_FOLDERS):
        return verdict._replace(holds=UNPROVEN)
    return verdict


def search_cache(project: Project, evidence: Evidence) -> Iterator[Finding]:
    """Yield what DVC's cache holds. In a shared cache, files that this project's records do not name are not read."""
    origins = evidence.origins
    for path in progress.track(sorted(project.cache.glob("??/*")), "search", "cached file"):
        digest = dvc_records.digest_from_cache_path(path)
        if kind := origins.theirs.get(digest):
            yield Finding(CACHE, kind, path)
        elif digest not in origins.others and not project.cache_is_shared:
            yield from _judge_unnamed(path, evidence)
    if not project.cache_is_shared:  # what a killed DVC left elsewhere in it
        known = {*project.cache.glob("??/*"), *project.run_cache.glob("??/*/*")}
        for path in walk_files(project.run_cache.parent):
            if path not in known:
                yield from _judge_unnamed(path, evidence)


def _judge_unnamed(path: Path, evidence: Evidence) -> Iterator[Finding]:
    """Judge a cached file that no record names; in this project's own cache it is the project's all the same."""
    if path.name.endswith(file_digests.DIRECTORY_SUFFIX):
        members = dvc_records.parse_listing(path.read_bytes()) or {}
        if any(name_student(name) in evidence.students for name in members):
            yield Finding(CACHE, "listing", path)
        return
    verdict = judge_file(path, evidence)
    if verdict.holds == THEIRS:
        yield Finding(CACHE, verdict.kind, path)
    elif verdict.holds == UNPROVEN:
        yield Finding(CACHE, verdict.kind, path, f"{verdict.reason}; no version of the project names it")


def search_run_cache(project: Project, evidence: Evidence) -> Iterator[Finding]:
    """Yield the entries of DVC's run cache that name files of theirs, and so cannot be restored any more.

    In a shared cache only those whose files are all named by this project's records.
    """
    for path in sorted(project.run_cache.glob("??/*/*")):
        if names_theirs(path.read_bytes(), evidence.origins, only_ours=project.cache_is_shared):
            yield Finding(CACHE, "run", path)


def names_theirs(entry: bytes, origins: Origins, *, only_ours: bool) -> bool:
    """Return whether an entry of a run cache names their files; `only_ours`: and no file of another project."""
    digests = {digest for record in records.parse_records(entry) for digest in record.digests}
    return not digests.isdisjoint(origins.theirs) and (not only_ours or digests <= origins.named)


def search_site_cache(project: Project, evidence: Evidence) -> Iterator[Finding]:
    """Yield DVC's databases about this project and its experiments that have the students' names or digests."""
    roots = {f"{root}/".encode() for root in (project.root, project.root.resolve())}
    for folder in sorted(project.site_cache.parent.glob("*")):
        try:
            contents = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
        except OSError:  # of another user
            continue
        is_ours = folder == project.site_cache or any(root in content for root in roots for content in contents)
        if is_ours and any(evidence.mention(content) != INNOCENT for content in contents):
            yield Finding(SITE_CACHE, "database", folder)


def search_temporary_folders(project: Project, evidence: Evidence) -> Iterator[Finding]:
    """Yield photos that a killed `shoepair add` unpacked, and sessions of Ray that worked for this project."""
    temporary = Path(tempfile.gettempdir())
    for path in (path for folder in sorted(temporary.glob("shoepair-*")) for path in walk_files(folder)):
        if judge_file(path, evidence).holds == THEIRS:
            yield Finding(TEMPORARY, "photo", path)
        elif naming.extract_student_id(path.name) in evidence.students:
            yield Finding(TEMPORARY, "photo", path, "named like a withdrawn student's photo")
    sessions = Path(os.environ.get("RAY_TMPDIR", temporary)) / "ray"
    for session in sorted(path for path in sessions.glob("session_*") if path.is_dir() and not path.is_symlink()):
        if _logs_mention_them(session, project, evidence):
            reason = "still runs: `ray stop` ends it" if _is_running(session) else ""
            yield Finding(TEMPORARY, "session of Ray", session, reason)


def _logs_mention_them(session: Path, project: Project, evidence: Evidence) -> bool:
    """Return whether a log of a session of Ray names this project and the students; one at a time is in memory."""
    roots = {f"{root}/".encode() for root in (project.root, project.root.resolve())}
    for path in sorted((session / "logs").glob("*")):
        try:
            content = path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_LOG_BYTES else b""
        except OSError:  # of another user, or just deleted
            continue
        if any(root in content for root in roots) and evidence.mention(content) != INNOCENT:
            return True
    return False


def _is_running(session: Path) -> bool:
    """Return whether a process of a session of Ray runs; each has the session's name on its command line."""
    return any(session.name in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def search_git(evidence: Evidence, blobs: list[GitBlob]) -> Iterator[Finding]:
    """Yield the students' photos and files made of them that git's object database holds; only git can delete them."""
    for blob in blobs:
        kind = evidence.origins.theirs.get(blob.md5)
        if kind not in {None, "text"}:  # texts in git are metrics and curves: counts, no names
            where = f"{records.describe_git_blob(blob.name)}, object {blob.name[:12]}"
            reason = "git keeps it: `git stash drop`, `git filter-repo` or `git gc --prune=now` deletes it"
            yield Finding(GIT, str(kind), Path(where), reason)
