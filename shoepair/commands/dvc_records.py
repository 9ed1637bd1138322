"""DVC records, of the workspace and along git's history: digests of batches and outputs, trained models.

Read from `dvc.lock` and the `.dvc` files as stored by git; nothing is checked out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from shoepair.commands import version_control
from shoepair.runtime import input_files, json_files, paths, yaml_files
from shoepair.runtime.errors import ShoepairError

LOCK_PATH = Path("dvc.lock")
MAX_LISTING_BYTES = 2**26  # of a folder of 600,000 photos
DIGEST_PATTERN = re.compile(r"[0-9a-zA-Z]{1,64}(\.dir)?")
REPAIR_HINT = "run `shoepair doctor`, or `git checkout` the file"


@dataclass(frozen=True)
class DatasetVersion:
    """One commit that changed the records: digests of the batches' photos, names of the trained models."""

    commit: str  # abbreviated
    date: str  # of the commit, like 2026-11-24
    subject: str
    batch_digests: dict[str, str]
    trained_models: tuple[str, ...]


def read_digest_by_path(entry_type: str) -> dict[Path, str]:
    """Read the digests by path from dvc.lock and the .dvc files: of "outs" (outputs and photos) or "deps" (inputs)."""
    return {Path(entry["path"]): entry["md5"] for entry in _read_entries(entry_type) if "md5" in entry}


def read_used_digests() -> set[str]:
    """Return the digests that the current dvc.lock and .dvc files refer to."""
    return {entry["md5"] for entry_type in ("deps", "outs") for entry in _read_entries(entry_type) if "md5" in entry}


def _read_entries(entry_type: str) -> Iterator[dict[str, Any]]:
    if entry_type == "outs":
        for path in sorted(paths.RAW_FOLDER.glob("*.dvc")):
            for entry in _list_entries(_parse_yaml(path.read_bytes(), path), "outs", path):
                yield entry | {"path": (path.parent / entry["path"]).as_posix()}
    if LOCK_PATH.is_file():
        for stage in _list_stages(_parse_yaml(LOCK_PATH.read_bytes(), LOCK_PATH), LOCK_PATH).values():
            yield from _list_entries(stage, entry_type, LOCK_PATH)


def read_lock_entries(text: bytes | None = None) -> dict[str, Any]:
    """Return the records of all stages by name, such as "train@cnn": of dvc.lock, or of another text of it."""
    if text is None:
        text = LOCK_PATH.read_bytes() if LOCK_PATH.is_file() else b"{}"
    stages: dict[str, Any] = _parse_yaml(text, LOCK_PATH).get("stages", {})
    return stages


def iter_committed_locks() -> Iterator[tuple[int, bytes]]:
    """Yield time and content of dvc.lock in every commit that changed it; of all branches, tags and experiments.

    Raises:
        VersionControlError: git failed. Outside of git there are no commits.
    """
    if not version_control.has_commits():
        return
    for line in version_control.list_git_lines("log", "--all", "--format=%ct %H", "--", LOCK_PATH.as_posix()):
        time, commit = line.split()
        content = version_control.read_committed(LOCK_PATH, commit)
        if content is not None:  # else this commit deleted it
            yield int(time), content


def digest_from_cache_path(cache_path: Path) -> str:
    """Return the digest of a file in DVC's cache from its path: .../ab/cdef.dir is abcdef.dir."""
    return cache_path.parent.name + cache_path.name


def read_cached_folder_digests(cache_path: Path) -> dict[str, str]:
    """Read a cached .dir file of DVC: the digest of each file of the folder, by relative path.

    Raises:
        ShoepairError: the file is not a folder listing.
    """
    fix = "delete it and run `dvc repro`; `shoepair verify` checks the cache"
    with suppress(ShoepairError):  # too long
        members = parse_listing(input_files.read_bytes(cache_path, MAX_LISTING_BYTES, fix))
        if members is not None:
            return members
    message = f"{cache_path}: not a listing of DVC's cache"
    raise ShoepairError(message, fix=fix)


def parse_listing(content: bytes) -> dict[str, str] | None:
    """Parse a folder listing of DVC: the digest of each file by relative path; None if it is none."""
    try:
        entries = json_files.parse_json_value(content, "listing", "", MAX_LISTING_BYTES)
    except ShoepairError:
        return None
    if not isinstance(entries, list) or not all(_is_entry(entry, "relpath") and "md5" in entry for entry in entries):
        return None
    return {entry["relpath"]: entry["md5"] for entry in entries}


def iter_versions(revision: str) -> Iterator[DatasetVersion]:
    """Yield every commit that changed the records, newest first, along the history of a revision.

    Raises:
        NoRepositoryError: the project lies in no git repository.
        VersionControlError: git failed.
    """
    parsed: dict[str, Any] = {}  # by blob: many commits share one
    log_format = "--format=%h%x09%cs%x09%s"
    places = (LOCK_PATH.as_posix(), paths.RAW_FOLDER.as_posix())
    for line in version_control.list_git_lines("log", revision, log_format, "--", *places):
        commit, date, subject = line.split("\t", 2)
        raw: dict[str, str] = {}
        models: tuple[str, ...] = ()
        for entry in version_control.list_git_lines("ls-tree", "-r", commit, places[0], f"{places[1]}/"):
            marks, name = entry.split("\t", 1)
            blob = marks.split()[2]
            if blob not in parsed:
                parsed[blob] = _parse_yaml(version_control.run_git("cat-file", "blob", blob), Path(f"{commit}:{name}"))
            location = Path(f"{commit}:{name}")
            if name == str(LOCK_PATH):
                stages = _list_stages(parsed[blob], location)
                synthetic = _stage_instances(stages, "sample")  # their photos are an output
                raw |= {
                    batch: digest for batch, stage in synthetic.items() for digest in _first_digest(stage, location)
                }
                models = tuple(model for stage in paths.TRAINING_STAGES for model in _stage_instances(stages, stage))
            elif name.endswith(".dvc"):
                raw |= {PurePosixPath(name).stem: digest for digest in _first_digest(parsed[blob], location)}
        yield DatasetVersion(commit, date, subject, raw, models)


def _list_stages(lock: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the stages of dvc.lock by name."""
    stages = lock.get("stages", {})
    if not isinstance(stages, dict) or not all(isinstance(name, str) for name in stages):
        raise _not_a_record(path)
    return stages


def _list_entries(record: Any, entry_type: str, path: Path) -> list[dict[str, Any]]:
    """Return the "outs" or "deps" of a stage of dvc.lock, or of a .dvc file."""
    entries = record.get(entry_type, []) if isinstance(record, dict) else None
    if not isinstance(entries, list) or not all(_is_entry(entry, "path") for entry in entries):
        raise _not_a_record(path)
    return entries


def _first_digest(record: Any, path: Path) -> list[str]:
    """Return the digest of the first output of a record; [] if there is none."""
    return [entry["md5"] for entry in _list_entries(record, "outs", path)[:1] if "md5" in entry]


def _is_entry(entry: Any, path_key: str) -> bool:
    """Return whether an entry has a path and, if any, a digest as DVC writes it."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get(path_key), str)
        and isinstance(entry.get("md5", "none"), str)
        and DIGEST_PATTERN.fullmatch(entry.get("md5", "none")) is not None
    )


def _stage_instances(stages: dict[str, Any], stage: str) -> dict[str, Any]:
    """Return the entries of a foreach stage by key: `train@cnn` as cnn."""
    return {name.partition("@")[2]: entry for name, entry in stages.items() if name.startswith(f"{stage}@")}


def _parse_yaml(content: bytes, path: Path) -> dict[str, Any]:
    input_files.raise_if_too_long(len(content), yaml_files.MAX_RECORD_BYTES, str(path), REPAIR_HINT)
    try:
        return yaml_files.parse_mapping(content, str(path), REPAIR_HINT)
    except ShoepairError:
        raise _not_a_record(path) from None


def _not_a_record(path: Path) -> ShoepairError:
    return ShoepairError(f"{path}: not a DVC record", fix=REPAIR_HINT)


def dvc_file_path(batch: str) -> Path:
    """Return the path of the .dvc file with the digest of a batch's photos; synthetic classes have none."""
    return paths.raw_path(batch).with_name(f"{batch}.dvc")


def dvc_add(batch: str) -> None:
    """Run `dvc add` on the photos of a batch, which records their current digest.

    Raises:
        VersionControlError: DVC failed.
    """
    version_control.run_dvc("add", paths.raw_path(batch).as_posix())  # not --quiet: it is silent about errors too


class PhotoStatus(NamedTuple):
    """What DVC says about the photos of a batch."""

    is_changed: bool  # they differ from the record; also where there are none
    is_cached: bool  # DVC's cache has all that are recorded


def read_photo_status(batch: str) -> PhotoStatus:
    """Compare the photos of a batch with their record and with DVC's cache.

    Not by `dvc data status`, which asks git about the last commit too: it fails where config.local names a remote that
    the last commit does not have, and takes no commit of a project in a sub-folder of a repository for its own.

    Raises:
        VersionControlError: DVC failed, so nothing is known about the photos.
    """
    with version_control.open_repo(for_changes=True) as repo:
        stage = repo.stage.load_one(dvc_file_path(batch).as_posix())
        (out,) = stage.outs
        return PhotoStatus(bool(out.workspace_status()), not out.changed_cache())


def is_committed(path: Path) -> bool:
    """Return whether the last commit has a record with the digests of this one.

    Raises:
        VersionControlError: git cannot tell.
    """
    committed = version_control.read_committed(path)
    if committed is None:
        return False
    records = (_parse_yaml(content, path) for content in (committed, path.read_bytes()))
    before, now = ([entry.get("md5") for entry in _list_entries(record, "outs", path)] for record in records)
    return before == now
