"""A project in a folder of a larger repository, in none, in one of another user, with links for photos."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from support.commands import CLI, Run, commit, put_under_version_control
from support.field import copy_project, write_class

from shoepair.commands import dvc_records, version_control
from shoepair.commands.collection import remove
from shoepair.commands.history import verify, versions
from shoepair.commands.version_control import VersionControlError
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


@pytest.fixture
def monorepo(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a folder of a repository that has files of the same names; its own ones are committed."""
    top = tmp_path / "Mono repo's"
    project = top / "schöne Schuhe"
    project.mkdir(parents=True)
    monkeypatch.chdir(top)
    run("git", "init", "-q", "-b", "main")
    for name in ("params.yaml", "dvc.lock", "dvc.yaml"):
        Path(name).write_text("learning_rate: 3\n")
    commit("Other project")
    monkeypatch.chdir(copy_project(project))
    run("dvc", "init", "-q", "--subdir")
    run("dvc", "add", "-q", "data/raw/tiny")
    run("dvc", "repro", "-q", "ingest")
    commit("Add the tiny class")
    return project


def test_project_in_a_folder_of_a_repository_asks_about_its_own_files(
    monorepo: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(monorepo))  # installed is another checkout
    lock, values = Path("dvc.lock").read_bytes(), paths.PARAMS.read_bytes()
    assert version_control.read_committed(dvc_records.LOCK_PATH) == lock
    assert version_control.read_committed(paths.PARAMS) == values
    assert version_control.read_committed(Path("README.md")) is None
    assert [record["subject"] for record in versions.list_version_records()] == ["Add the tiny class"]
    assert versions.compare_revisions("HEAD", "workspace")["batches"] == {"added": [], "removed": []}
    with pytest.raises(ShoepairError, match=r"revision 'HEAD~1': "):
        versions.compare_revisions("HEAD~1", "workspace")
    assert verify.verify_file_digests().problems == []
    Path("dvc.lock").write_bytes(b"")
    os.chdir("stages")
    assert "dvc.lock: damaged by a kill; restored from the last commit" in run(*CLI, "doctor").stdout
    os.chdir("..")
    assert Path("dvc.lock").read_bytes() == lock
    assert version_control.list_tracked_files() >= {dvc_records.LOCK_PATH, paths.PARAMS}
    assert not any(path.is_absolute() or ".." in path.parts for path in version_control.list_tracked_files())
    assert remove.remove_batch("tiny") == 48  # the commit of the sub-folder brings it back
    run("git", "checkout", "-q", "--", ".")
    run("dvc", "checkout", "-q", "data/raw/tiny.dvc")
    assert len(list(paths.raw_path("tiny").rglob("*.jpg"))) == 48
    assert (monorepo.parent / "params.yaml").read_text() == "learning_rate: 3\n"


@pytest.mark.usefixtures("monorepo")
def test_records_of_other_projects_in_the_repository_are_not_this_ones(run: Run) -> None:
    theirs = Path("../dvc.lock")
    theirs.write_text("stages:\n  x@y: {cmd: x, outs: [{path: data/raw/tiny, md5: 11}]}\n")
    shutil.copyfile(theirs, "../copied.lock")
    commit("Other project again")
    shutil.copyfile("dvc.lock", "../own.lock")  # what both have is this one's too
    commit("A copy of ours")
    blobs = dict(version_control.iter_blobs())
    assert Path("dvc.lock").read_bytes() in blobs.values()
    assert theirs.read_bytes() not in blobs.values()
    os.chdir("..")
    run("git", "rm", "-q", "own.lock")
    assert theirs.name in {path.name for path in version_control.list_tracked_files()}
    assert Path("dvc.lock").read_bytes() in dict(version_control.iter_blobs()).values()


@pytest.mark.usefixtures("repository")
def test_remote_that_only_the_local_configuration_names_is_no_failure(run: Run, tmp_path: Path) -> None:
    run("dvc", "remote", "add", "--local", "--default", "mine", str(tmp_path / "store"))
    assert dvc_records.read_photo_status("tiny") == (False, True)
    assert dvc_records.is_committed(dvc_records.dvc_file_path("tiny"))


@pytest.mark.usefixtures("repository")
def test_what_dvc_refuses_is_said_in_its_words_and_nothing_is_added(run: Run, tmp_path: Path) -> None:
    Path(".git/info/exclude").write_text("data/\n")  # as a .gitignore at the top of a larger repository
    write_class(tmp_path / "late", {"train": ("u055",)})
    said = run(*CLI, "add", "late", status=1).stderr
    assert "bad DVC file name 'data/raw/late.dvc' is git-ignored" in said
    assert sorted(path.name for path in paths.RAW_FOLDER.iterdir()) == ["tiny", "tiny.dvc"]


@pytest.mark.usefixtures("repository")
def test_cache_that_cannot_be_written_is_told_before_a_photo_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith(".dvc/cache/files/md5"))
    with pytest.raises(VersionControlError, match=r"\.dvc/cache/files/md5: DVC's cache, which this program may not"):
        remove.withdraw_student("u001", "tiny")
    assert len(list(paths.raw_path("tiny").rglob("*.jpg"))) == 48
    assert not paths.WITHDRAWN_LIST.exists()


@pytest.mark.usefixtures("repository")
def test_project_without_git_is_told_what_dvc_needs_and_then_works(run: Run, tmp_path: Path) -> None:
    shutil.rmtree(".git")
    photos = sorted(paths.raw_path("tiny").rglob("*"))
    for words in (["doctor"], ["forget", "u001", "--batch", "tiny"], ["verify"], ["log"], ["diff", "HEAD"], ["repro"]):
        said = run(*CLI, *words, status=1).stderr
        assert "git repository\nrun `git init`" in said, said
        assert len(said.splitlines()) == 2
    assert sorted(paths.raw_path("tiny").rglob("*")) == photos
    run("dvc", "config", "--local", "core.no_scm", "true")
    write_class(tmp_path / "My Läte Class", {"train": ("u055", "u056")})
    assert "now batch 'my-late-class'" in run(*CLI, "add", "My Läte Class").stdout
    assert "6 photos deleted" in run(*CLI, "forget", "u001", "--batch", "tiny").stdout
    assert "all match the records" in run(*CLI, "verify").stdout
    assert "not in the last commit" in run(*CLI, "remove", "tiny", status=1).stderr


def test_repository_of_another_user_is_told_in_gits_words_and_nothing_is_lost(repository: Path, run: Run) -> None:
    if os.geteuid():
        pytest.skip("only root can give a folder to another user")
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 65534, -1, follow_symlinks=False)
    Path("dvc.lock").write_bytes(b"")
    for words in (["diff", "HEAD"], ["log"], ["doctor"], ["remove", "tiny"]):
        said = run(*CLI, *words, status=1).stderr
        assert "dubious ownership" in said, said
        assert "Traceback" not in said
    assert Path("dvc.lock").is_file()
    assert dvc_records.dvc_file_path("tiny").is_file()


def test_repro_in_a_sub_folder_runs_doctor_pipeline_and_metrics(
    trained: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(trained))  # installed is another checkout
    lock = Path("dvc.lock").read_bytes()
    Path("dvc.lock").write_bytes(b"")
    os.chdir("metrics")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # the environment is not activated
    said = run(sys.executable, "-m", "shoepair", "repro").stdout
    order = ["dvc.lock: damaged by a kill; restored", "up to date", "best by validation accuracy"]
    assert sorted(order, key=said.index) == order
    os.chdir("..")
    assert Path("dvc.lock").read_bytes() == lock


@pytest.fixture
def linked(project: Path, run: Run) -> Path:
    """The tiny project whose photos are links into DVC's cache."""
    put_under_version_control()
    run("dvc", "config", "cache.type", "symlink")
    run("dvc", "checkout", "-q", "--relink", "data/raw/tiny.dvc")
    assert all(path.is_symlink() for path in paths.raw_path("tiny").rglob("*.jpg"))
    return project


@pytest.mark.usefixtures("linked")
def test_photos_that_dvc_links_are_photos_for_every_command_and_stage(run: Run, tmp_path: Path) -> None:
    write_class(tmp_path / "late", {"train": ("u055",)})
    run(*CLI, "add", "late")
    write_class(tmp_path / "again", {"train": ("u005",)})
    assert "u005" in run(*CLI, "add", "again", status=1).stderr  # it is compared with the linked ones
    run("dvc", "repro", "-q", "validate")
    assert [line.split()[2:4] for line in run(*CLI, "batches").stdout.splitlines()[1:3]] == [["8", "48"], ["1", "6"]]
    shutil.copytree(paths.raw_path("late"), tmp_path / "links", symlinks=True)
    assert "6 photos" in run(*CLI, "add", "links", "--alone", "--name", "copied").stdout
    assert len(list(paths.raw_path("copied").rglob("*.jpg"))) == 6
    assert "all match the records" in run(*CLI, "verify").stdout
