"""The lock of a project: stages share it, commands that change the project hold it alone.

Every holder locks a file of its own in `FOLDER`, whose name says who it is. A holder lives as long as the kernel says
that its file is locked, so a kill releases it; what is left of killed ones is deleted by the next. Who wants the
lock looks for other holders under a second lock, held for milliseconds. The processes that a holder starts find the
name of its file in the environment.

A temporary workspace of `dvc exp run` is a project of its own, below this one: its stages lock there.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from filelock import FileLock, Timeout

from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.file_locks import is_free, make_lock

DVC_FOLDER = Path(".dvc")  # a folder without it is no project that a command could change
FOLDER = DVC_FOLDER / "tmp/shoepair/locks"
EXPERIMENT_FOLDERS = ".dvc/tmp/exps/*/"  # pattern of the temporary workspaces
HOLDER_VARIABLE = "SHOEPAIR_LOCK_HOLDER"  # set by who holds the lock alone, for the processes that it starts
WAIT_SECONDS = 5.0  # for other holders; a stage whose `dvc` was killed ends in this time
GATE_SECONDS = 30.0  # for another process that looks for holders
POLL_SECONDS = 0.1
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}  # errors of disks without locks
IN_USE_FIX = "wait until it has ended, or stop it, then run the command again"
NO_GIT = "is not a git repository"  # DVC's words
NO_GIT_FIX = "run `git init`; or `dvc config --local core.no_scm true`, if the project is to stay without git"
DVC_CODE = "stages"  # every stage depends on a file in this folder, so DVC runs none while its lock for it is held


class ProjectInUseError(ShoepairError):
    """Others use the project, and the command needs it alone, or the other way round."""


@dataclass(frozen=True)
class Holder:
    """Who holds, or held, the lock: the parts of the name of its file."""

    alone: bool  # whether it shares the lock
    name: str  # "stage train@cnn", "`shoepair add`"
    process: int
    host: str

    def __str__(self) -> str:
        elsewhere = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"{self.name} (process {self.process}{elsewhere})"

    @property
    def file_name(self) -> str:
        """The name of its lock file."""
        parts = ("alone" if self.alone else "shared", self.name, str(self.process), self.host)
        return ",".join(quote(part, safe=" @") for part in parts) + ".lock"

    @classmethod
    def from_file_name(cls, name: str) -> Holder:
        """Read the parts of a file name that `file_name` gave."""
        kind, *parts = map(unquote, name.removesuffix(".lock").split(","))
        return cls(kind == "alone", parts[0], int(parts[1]), parts[2])


@contextmanager
def hold_shared(name: str, *, only_one: bool = False) -> Iterator[None]:
    """Share the project with other stages for the time of the block.

    Args:
        name: of the stage or command, for messages.
        only_one: whether others of the same name are kept out.

    Raises:
        ProjectInUseError: a command changes the project, or there is another one of which there may be only one.
        ShoepairError: the disk has no locks.
    """
    if not DVC_FOLDER.is_dir() or _is_inherited():
        yield
        return
    with _hold(Holder(False, name, os.getpid(), socket.gethostname()), only_one=only_one):
        yield


@contextmanager
def hold_alone(name: str, *, with_experiments: bool = False, repairing: bool = False) -> Iterator[None]:
    """Keep all others out of the project for the time of the block: stages, commands, and DVC's stages.

    Args:
        name: of the command, for messages.
        with_experiments: whether experiments in temporary workspaces count too, since they share DVC's cache.
        repairing: go on where DVC's own lock file is damaged.

    Raises:
        ProjectInUseError: others use the project.
        ShoepairError: the folder is no DVC project, or its disk has no locks.
    """
    if not DVC_FOLDER.is_dir():
        message = f"{Path.cwd()}: not a project, it has no folder {DVC_FOLDER}"
        raise ShoepairError(message, fix="run `dvc init`, in a sub-folder of a git repository `dvc init --subdir`")
    if _is_inherited():
        yield
        return
    own = Holder(True, name, os.getpid(), socket.gethostname())
    with ExitStack() as stack:
        end = time.monotonic() + WAIT_SECONDS
        while True:
            _wait_for_others(own, with_experiments=with_experiments)  # first: this names stages, DVC names itself only
            try:
                stack.enter_context(_block_dvc(name, repairing=repairing))
                break
            except ProjectInUseError:
                if time.monotonic() > end:
                    raise
            time.sleep(POLL_SECONDS)
        stack.enter_context(_hold(own))
        os.environ[HOLDER_VARIABLE] = own.file_name
        try:
            yield
        finally:
            del os.environ[HOLDER_VARIABLE]


def find_holders(*, with_experiments: bool = False) -> list[Holder]:
    """Return who holds the lock of this project; delete the files of those who were killed."""
    with _gate():
        return _find_living(with_experiments=with_experiments)


def _is_inherited() -> bool:
    """Return whether a process that started this one holds the lock alone, and still lives."""
    name = os.environ.get(HOLDER_VARIABLE)
    return bool(name) and any(holder.file_name == name for holder in find_holders())


@contextmanager
def _hold(own: Holder, *, only_one: bool = False) -> Iterator[None]:
    lock = make_lock(FOLDER.absolute() / own.file_name)
    _wait_for_others(own, lock, only_one=only_one)
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _wait_for_others(
    own: Holder, lock: FileLock | None = None, *, with_experiments: bool = False, only_one: bool = False
) -> None:
    """Wait until nobody keeps `own` out, and then take its lock, if it is given."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        with _gate():
            others = [
                holder
                for holder in _find_living(with_experiments=with_experiments)
                if own.alone or holder.alone or (only_one and holder.name == own.name)
            ]
            if not others:
                if lock:
                    lock.acquire()
                return
        if time.monotonic() > end:
            message = f"{own.name}: the project is in use by {', '.join(map(str, others))}"
            raise ProjectInUseError(message, fix=IN_USE_FIX)
        time.sleep(POLL_SECONDS)


@contextmanager
def _gate() -> Iterator[None]:
    """Hold the lock under which holders are looked for and join.

    Raises:
        ShoepairError: the disk has no locks, or accepts them and does not keep them.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER.with_suffix(".lock")
    try:
        with make_lock(path, GATE_SECONDS):
            if is_free(path):
                raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
            yield
    except Timeout:
        message = f"{path}: locked for {GATE_SECONDS:.0f} s, expected milliseconds"
        raise ShoepairError(message, fix="end the processes of this project that hang, and try again") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        message = f"{path}: this disk has no file locks, so two commands could change the project at once"
        raise ShoepairError(message, fix="move the project to a disk that has them, such as a local one") from None


def _find_living(*, with_experiments: bool) -> list[Holder]:
    patterns = ["", *([EXPERIMENT_FOLDERS] if with_experiments else [])]
    found = sorted(path for pattern in patterns for path in Path().glob(f"{pattern}{FOLDER.as_posix()}/*.lock"))
    living = []
    for path in found:
        if is_free(path):
            path.unlink(missing_ok=True)
        else:
            living.append(Holder.from_file_name(path.name))
    return living


@contextmanager
def _block_dvc(name: str, *, repairing: bool) -> Iterator[None]:
    """Keep DVC from running stages, by the lock that it has for every file that a stage reads or writes.

    `dvc add` and `dvc status` of photos, which commands start, still work.

    Raises:
        ProjectInUseError: a `dvc` command runs.
    """
    from dvc.exceptions import DvcException  # imported late: stages need no DVC
    from dvc.lock import LockError
    from dvc.repo import Repo
    from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError, rwlock

    with ExitStack() as stack:
        try:
            with Repo(str(Path.cwd())) as repo, repo.lock:  # `dvc` commands hold it, but not while a stage runs
                hardlink = repo.config["core"].get("hardlink_lock", False)
                writes = [str(Path(DVC_CODE).resolve())]
                stack.enter_context(rwlock(repo.tmp_dir, repo.fs, name, [], writes, hardlink))
        except LockError as error:
            raise from_dvc_lock_error(name, error) from None
        except (RWLockFileCorruptedError, RWLockFileFormatError) as error:
            if not repairing:
                raise ShoepairError(str(error), fix="run `shoepair doctor`") from None
        except DvcException as error:
            raise from_dvc_error(error) from None
        yield


def from_dvc_lock_error(name: str, error: Exception) -> ProjectInUseError:
    """Convert DVC's error about a lock that another `dvc` command holds, with the processes that it names."""
    message = f"{name}: the project is in use by a `dvc` command"
    return ProjectInUseError(message, problems=list_dvc_lock_users(error) or read_dvc_lock_owner(), fix=IN_USE_FIX)


def list_dvc_lock_users(error: Exception) -> list[str]:
    """Return the processes that DVC's error about a lock names, a line each; [] if it names none."""
    return [line.strip() for line in str(error).splitlines() if line.strip().startswith("(PID")]


def from_dvc_error(error: Exception) -> ShoepairError:
    """Convert another error of DVC, in its own words."""
    fix = NO_GIT_FIX if NO_GIT in str(error) else "run `dvc status`, which checks the project"
    return ShoepairError(f"DVC: {' '.join(str(error).split())}", fix=fix)


def read_dvc_lock_owner() -> list[str]:
    """Read the process that DVC wrote into its lock file, as a line."""
    content = (DVC_FOLDER / "tmp/lock").read_text(errors="replace").strip()
    return [f"process {content}"] if content.isdecimal() else []
