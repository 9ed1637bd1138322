"""How this program asks git and DVC: about this project alone, and with failures told apart from "not there".

The project may lie anywhere in a git repository, so every path given to git or taken from it is relative to the
project's folder, the current directory. What git or DVC refuses is an error with their own words in one line.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2
from dvc.exceptions import DvcException
from dvc.fs import GitFileSystem
from dvc.repo import Repo
from dvc.scm import SCM
from scmrepo.exceptions import SCMError

from shoepair.commands.git_program import NoRepositoryError as NoRepositoryError
from shoepair.commands.git_program import VersionControlError as VersionControlError
from shoepair.commands.git_program import advise, to_one_line
from shoepair.commands.git_program import list_git_lines as list_git_lines
from shoepair.commands.git_program import run_git as run_git
from shoepair.runtime.errors import ShoepairError

NO_COMMITS = "does not have any commits yet"  # git's words


def has_commits() -> bool:
    """Return whether the project has a commit at HEAD; a new repository has none, nor has a project outside of git.

    Raises:
        VersionControlError: git cannot tell, such as in a damaged repository.
    """
    try:
        run_git("log", "--max-count=1", "--format=%H")
    except NoRepositoryError:
        return False
    except VersionControlError as error:
        if NO_COMMITS not in error.message:
            raise
        return False
    return True


def read_committed(path: Path, revision: str = "HEAD") -> bytes | None:
    """Read a file of the project as a commit has it; None if the commit has no such file, or there is no commit.

    Raises:
        VersionControlError: git cannot tell.
    """
    if not has_commits():
        return None
    listed = run_git("ls-tree", "-z", revision, "--", path.as_posix())
    if not listed:
        return None
    _, _, name = listed.partition(b"\t")[0].decode().split()
    return run_git("cat-file", "blob", name)


def list_tracked_files() -> set[Path]:
    """List the files of the project that git tracks; none outside of git."""
    try:
        names = run_git("ls-files", "-z").decode(errors="surrogateescape").split("\0")
    except NoRepositoryError:
        return set()
    return {Path(name) for name in names if name}


def iter_blobs() -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file in git's object database, but of those that only folders around have.

    Raises:
        VersionControlError: git failed.
    """
    try:
        foreign = list_foreign_objects()
    except NoRepositoryError:
        return
    words = ["git", "cat-file", "--batch-all-objects", "--batch", "--unordered"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as git:
        assert git.stdout is not None
        while header := git.stdout.readline():
            name, object_type, length = header.decode().split()
            content = git.stdout.read(int(length) + 1)[:-1]
            if object_type == "blob" and name not in foreign:
                yield name, content
    if git.returncode:
        message = "`git cat-file` failed: the repository is damaged"
        raise VersionControlError(message, fix="`git fsck` checks it")


def list_foreign_objects() -> set[str]:
    """List the objects of the repository that only folders outside the project's have, in all commits.

    Empty for a project at the top of its repository. What no commit has belongs to nobody, so it is not listed.
    """
    if not run_git("rev-parse", "--show-prefix").strip():
        return set()
    words = ("rev-list", "--objects", "--full-history", "--all", "--reflog")
    own = {line.split(" ", 1)[0] for line in list_git_lines(*words, "--", ".")}
    return {line.split(" ", 1)[0] for line in list_git_lines(*words)} - own


@contextmanager
def open_repo(*, for_changes: bool = False) -> Iterator[Repo]:
    """Open the project as DVC's repository for the time of the block.

    Args:
        for_changes: check that DVC can record something here, which it does itself only when half is done.

    Raises:
        VersionControlError: DVC or git refuses it, at once or in the block; DVC also a project that is in no git
            repository, unless its configuration says so.
    """
    with translate_errors("DVC"), Repo(str(Path.cwd())) as repo:
        _raise_if_other_project(repo)
        if for_changes:
            _ = repo.scm
            cache = Path(repo.cache.local.path)
            existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
            if not os.access(existing, os.W_OK):
                message = f"{existing}: DVC's cache, which this program may not write"
                raise VersionControlError(message, fix="correct its permissions, or `dvc cache dir` gives another one")
        yield repo


@contextmanager
def open_revision(revision: str) -> Iterator[Repo]:
    """Open the project as a commit has it, as DVC's repository, for the time of the block.

    Raises:
        NoRepositoryError: the project lies in no git repository.
        VersionControlError: there is no such commit, it does not have the project, or DVC or git refuses it.
    """
    prefix = run_git("rev-parse", "--show-prefix").decode(errors="surrogateescape").strip()
    with translate_errors(f"revision {revision!r}", fix="give a commit, branch or tag of this project, e.g. HEAD~1"):
        scm = SCM(str(Path.cwd()))
        # Not `Repo(rev=)`, which looks for the project at the top of the repository.
        with Repo(f"/{prefix}".rstrip("/") or "/", fs=GitFileSystem(scm=scm, rev=revision), scm=scm) as repo:
            yield repo


def _raise_if_other_project(repo: Repo) -> None:
    """Raise if DVC uses the folder of another project: it takes the next one above that has a folder .dvc."""
    if not Path(repo.root_dir).samefile(Path.cwd()):
        message = f"{Path.cwd()}: no folder .dvc; DVC would use that of {repo.root_dir}"
        raise ShoepairError(message, fix="run `dvc init --subdir` in the folder of the project")


@contextmanager
def translate_errors(subject: str, fix: str = "") -> Iterator[None]:
    """Convert the errors of DVC, and of the libraries with which it reads git, into a VersionControlError.

    Args:
        subject: what the message is about.
        fix: what to do, where the error says nothing better.
    """
    try:
        yield
    except (DvcException, SCMError, pygit2.GitError) as error:
        text = to_one_line(str(error)) or type(error).__name__
        is_about_rights = "not owned by" in text or not fix
        message = f"{subject}: {text}"
        raise VersionControlError(message, fix=advise(text) if is_about_rights else fix) from None


def run_dvc(*arguments: str) -> None:
    """Run `dvc` in the project's folder.

    Raises:
        VersionControlError: it failed.
    """
    words = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line]
        lines = [line for line in lines if not line.startswith("Having any troubles?")]
        message = f"`{' '.join(['dvc', *arguments])}` failed"
        raise VersionControlError(message, problems=lines, fix=advise("\n".join(lines)))
