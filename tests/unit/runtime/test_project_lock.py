"""The lock of a project: who shares it, who holds it alone, and what a kill leaves."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from shoepair.runtime import project_lock
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.project_lock import Holder, ProjectInUseError, hold_alone, hold_shared


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that DVC manages; its own locks are tested with the real DVC."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(project_lock, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(project_lock, "_block_dvc", lambda *_, **__: contextlib.nullcontext())
    project_lock.DVC_FOLDER.mkdir()


def holder_names() -> list[str]:
    return [holder.name for holder in project_lock.find_holders()]


def test_stages_share_and_a_command_that_changes_the_project_waits_for_them() -> None:
    with hold_shared("stage train@cnn"):
        with hold_shared("stage train@siamese"):
            assert holder_names() == ["stage train@cnn", "stage train@siamese"]
        with pytest.raises(ProjectInUseError) as error, hold_alone("`shoepair add`"):
            pytest.fail("two at once")
        assert str(error.value).splitlines() == [
            f"`shoepair add`: the project is in use by stage train@cnn (process {os.getpid()})",
            "wait until it has ended, or stop it, then run the command again",
        ]
    with hold_alone("`shoepair add`"):
        assert holder_names() == ["`shoepair add`"]
    assert holder_names() == []
    assert list(project_lock.FOLDER.iterdir()) == []


@pytest.mark.parametrize("hold", [hold_shared, hold_alone])
def test_who_holds_it_alone_keeps_all_others_out(monkeypatch: pytest.MonkeyPatch, hold: type) -> None:
    with hold_alone("`shoepair forget`"):
        monkeypatch.delenv(project_lock.HOLDER_VARIABLE)  # as in a process that it did not start
        with pytest.raises(ProjectInUseError, match="in use by `shoepair forget` "), hold("stage split"):
            pytest.fail("two at once")
        monkeypatch.setenv(project_lock.HOLDER_VARIABLE, "")


def test_processes_that_the_holder_starts_inherit_the_lock_as_long_as_it_is_held() -> None:
    with hold_alone("`shoepair add`"):
        inherited = os.environ[project_lock.HOLDER_VARIABLE]
        with hold_shared("stage ingest"), hold_alone("`shoepair doctor`"):
            assert holder_names() == ["`shoepair add`"]
    assert project_lock.HOLDER_VARIABLE not in os.environ
    os.environ[project_lock.HOLDER_VARIABLE] = inherited  # said, and no longer true
    with hold_shared("stage split"), pytest.raises(ProjectInUseError, match="stage split"), hold_alone("x"):
        pytest.fail("the word alone was believed")


def test_of_commands_of_which_there_may_be_one_a_second_is_refused_and_stages_are_not() -> None:
    with hold_shared("`shoepair repro`", only_one=True):
        with hold_shared("stage split"), hold_shared("`shoepair export`"):
            assert len(holder_names()) == 3
        second = r"`shoepair repro`: the project is in use by `shoepair repro` \(process"
        with pytest.raises(ProjectInUseError, match=second), hold_shared("`shoepair repro`", only_one=True):
            pytest.fail("two at once")


def test_file_of_a_killed_holder_is_no_lock_and_is_deleted() -> None:
    killed = Holder(True, "`shoepair add`", os.getpid() + 1, "elsewhere")
    project_lock.FOLDER.mkdir(parents=True)
    (project_lock.FOLDER / killed.file_name).touch()
    with hold_shared("stage split"):
        assert holder_names() == ["stage split"]
    assert list(project_lock.FOLDER.iterdir()) == []


@pytest.mark.parametrize("name", ["stage sample@wide-1", "`a/b,c`", "stage x@../ü\n.lock", ""])
def test_holder_is_read_from_the_name_of_its_file(name: str) -> None:
    holder = Holder(False, name, 12, "a.b,c")
    assert Holder.from_file_name(holder.file_name) == holder
    assert "/" not in holder.file_name
    assert str(holder) == f"{name} (process 12 on a.b,c)"


def test_experiments_in_other_folders_count_where_they_are_asked_for() -> None:
    project = Path.cwd()
    workspace = project / ".dvc/tmp/exps/tmp1x"
    (workspace / ".dvc").mkdir(parents=True)
    os.chdir(workspace)
    with hold_shared("stage train@cnn"):
        os.chdir(project)
        with hold_alone("`shoepair add`"):
            assert holder_names() == ["`shoepair add`"]
        with (
            pytest.raises(ProjectInUseError, match="stage train@cnn"),
            hold_alone("`shoepair forget --purge`", with_experiments=True),
        ):
            pytest.fail("the cache is shared")


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, None], ids=str)
def test_disk_without_locks_is_refused(monkeypatch: pytest.MonkeyPatch, error: int | None) -> None:
    """Without `error` the disk accepts all locks, and keeps nobody out."""

    def flock(_file: int, _operation: int) -> None:
        if error:
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr("fcntl.flock", flock)
    for hold in (hold_shared, hold_alone):
        with pytest.raises(ShoepairError) as refused, hold("stage split"):
            pytest.fail("not locked")
        assert str(refused.value) == (
            ".dvc/tmp/shoepair/locks.lock: this disk has no file locks, so two commands could change the project at"
            " once\nmove the project to a disk that has them, such as a local one"
        )


def test_other_errors_of_the_disk_keep_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int, _operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fcntl.flock", full)
    with pytest.raises(OSError, match="Input/output error"), hold_shared("stage split"):
        pytest.fail("not locked")


def test_folder_without_dvc_has_nothing_to_lock_and_nothing_to_change() -> None:
    project_lock.DVC_FOLDER.rmdir()
    with hold_shared("stage split"):
        assert list(Path().iterdir()) == []
    with pytest.raises(ShoepairError, match=r"not a project, it has no folder \.dvc\n"), hold_alone("`shoepair add`"):
        pytest.fail("no project")
