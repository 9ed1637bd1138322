"""`shoepair verify`: compare the digests that DVC recorded with the files on disk and in the cache.

DVC trusts a file whose time and length are unchanged, trusts its cache, and accepts changed photos silently; so a
flipped byte can stay unnoticed. Here every file is read and hashed. And the records of the stages are compared with
what the stages noted (`stage_records`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dvc.repo import Repo

from shoepair.commands import dvc_records, version_control
from shoepair.commands.history import stage_records
from shoepair.runtime import paths, progress
from shoepair.runtime.errors import escape_unprintable
from shoepair.runtime.file_digests import compute_md5, hash_listing


@dataclass
class VerifyResult:
    """The result of a verification: numbers of files read, and one line per problem."""

    checked_files: int = 0  # of the workspace
    checked_cache_files: int = 0  # files of the cache
    problems: list[str] = field(default_factory=list)
    missing_uncached: list[str] = field(default_factory=list)  # a line each: as in every clone, so no problem


def verify_file_digests() -> VerifyResult:
    """Hash every recorded input and output, and every cached file; report differences, and wrong records of stages.

    Raises:
        ShoepairError: dvc.lock or a .dvc file is not a DVC record.
    """
    with version_control.open_repo() as repo:
        return _Verification(repo).run()


class _Verification:
    """One pass over the cache and the workspace; a file that is in several records is read once."""

    def __init__(self, repo: Repo) -> None:
        self._cache = Path(repo.cache.local.path)
        self._run_cache = Path(repo.stage_cache.cache_dir)
        self._uncached = {Path(out.fs_path).relative_to(Path.cwd()) for out in repo.index.outs if not out.use_cache}
        self._is_ignored = repo.dvcignore.is_ignored_file
        self._md5 = functools.cache(compute_md5)
        self._listings: dict[str, dict[str, str]] = {}
        self._report = VerifyResult()

    def run(self) -> VerifyResult:
        self._check_cache()
        changed: list[Path] = []
        outputs = dvc_records.read_digest_by_path("outs")  # an input that is also an output counts as output
        entries = {**dvc_records.read_digest_by_path("deps"), **outputs}
        for path, digest in sorted(entries.items(), reverse=True):  # files before their folder
            # Uncached outputs in other folders, such as metrics, are in git, and should be here.
            if path in self._uncached and path.is_relative_to("data") and not path.exists():
                changed.append(path)
                self._report.missing_uncached.append(
                    f"{path}: not here, DVC does not cache it; `dvc repro` makes it anew"
                )
                continue
            problems = list(self._check_entry(path, digest, self._repair_advice(path, path in outputs)))
            if problems and not any(other.is_relative_to(path) for other in changed):
                changed.append(path)
                self._report.problems += problems
        self._report.problems += stage_records.find_wrong_records(self._run_cache)
        return self._report

    def _check_cache(self) -> None:
        """Check that every cached file hashes to its name; keep the intact folder listings."""
        for path in progress.track(sorted(self._cache.glob("??/*")), "verify", "file"):
            name = dvc_records.digest_from_cache_path(path)
            self._report.checked_cache_files += 1
            if compute_md5(path) != name.removesuffix(".dir"):
                shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
                advice = "delete it, then run `dvc fetch`, or `dvc commit -f` if the workspace is intact"
                self._report.problems.append(f"{shown}: its content does not match its name; {advice}")
            elif name.endswith(".dir"):
                self._listings[name] = dvc_records.read_cached_folder_digests(path)

    def _check_entry(self, path: Path, digest: str, advice: str) -> Iterator[str]:
        """Yield the problems of one recorded file or folder; a folder without a cached listing is one problem."""
        changed = f"{path}: changed since it was recorded; {advice}"
        if not path.exists():
            yield f"{path}: missing; {advice}"
        elif not digest.endswith(".dir"):
            self._report.checked_files += 1
            if not path.is_file() or self._md5(path) != digest:
                yield changed
        else:
            actual = dict(self._hash_folder(path))
            self._report.checked_files += len(actual)
            expected = self._listings.get(digest)
            if expected is not None:
                yield from _describe_differences(path, actual, expected, advice)
            elif hash_listing(actual) != digest:
                yield changed

    def _repair_advice(self, path: Path, is_output: bool) -> str:
        undo = f"`dvc checkout {path}` restores the recorded one"
        if not is_output:
            return "`dvc repro` uses it as it is"
        if path.parent == paths.RAW_FOLDER:
            return f"`dvc add {path}` records it as it is, {undo}"
        return "`dvc repro` recreates it" if path in self._uncached else f"{undo}, or `dvc repro` recreates it"

    def _hash_folder(self, path: Path) -> Iterator[tuple[str, str]]:
        for file in sorted(path.rglob("*")):
            if file.is_file() and not self._is_ignored(str(file)):
                yield file.relative_to(path).as_posix(), self._md5(file)


def _describe_differences(path: Path, actual: dict[str, str], expected: dict[str, str], advice: str) -> Iterator[str]:
    for name in sorted(actual.keys() | expected.keys()):
        if actual.get(name) != expected.get(name):
            change = "missing" if name not in actual else "new" if name not in expected else "changed"
            yield f"{path}/{escape_unprintable(name)}: {change} since {path} was recorded; {advice}"
