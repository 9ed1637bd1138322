"""Students and batches that leave, and what the cache and the workspace still hold of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from support import buckets
from support.commands import CLI, Run, commit
from support.field import write_class
from support.ssh_servers import Server
from support.ssh_servers import server as server  # a fixture
from support.withdrawals import GONE, PURGE, Searcher, isolate

from shoepair.commands import doctor, dvc_records
from shoepair.commands.collection import add, batch_list, overview, remove, withdrawn
from shoepair.commands.version_control import VersionControlError
from shoepair.reports import collection_tables
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


def test_forgetting_takes_up_after_a_kill(repository: Path) -> None:
    theirs = remove.find_files_naming_student(GONE, "tiny")
    withdrawn.record_withdrawal("tiny", GONE)
    theirs[0].unlink()
    assert len(remove.withdraw_student(GONE, "tiny")) == 5
    assert remove.find_files_naming_student(GONE, "tiny") == []
    assert remove.withdraw_student(GONE, "tiny") == []
    assert paths.WITHDRAWN_LIST.read_text().endswith("tiny:\n  - u005\n")
    assert (repository / "data/raw/tiny/train/u001_1_left_m.jpg").is_file()


@pytest.mark.usefixtures("repository")
def test_forgetting_nobody_changes_nothing() -> None:
    for student, batch, match in (
        ("u999", "tiny", "batch 'tiny': no photo of student 'u999'"),
        ("u005", "none", r"batch 'none': not in data/batches\.yaml, which lists tiny"),
    ):
        with pytest.raises(ShoepairError, match=match):
            remove.withdraw_student(student, batch)
    (paths.raw_path("tiny") / "train/u001_1_left_m.jpg").write_bytes(b"changed")
    with pytest.raises(ShoepairError, match="changed since DVC recorded it"):
        remove.withdraw_student("u005", "tiny")
    with pytest.raises(ShoepairError, match="changed since DVC recorded it"):
        remove.remove_batch("tiny")
    assert len(remove.find_files_naming_student("u005", "tiny")) == 6
    assert not paths.WITHDRAWN_LIST.exists()


@pytest.mark.usefixtures("repository")
def test_last_student_is_not_forgotten_but_the_batch_removed(tmp_path: Path) -> None:
    write_class(tmp_path / "one", {"train": ("u300",)})
    add.add_batch(tmp_path / "one", "one")
    with pytest.raises(ShoepairError, match="u300 is its only student\nrun `shoepair remove one`"):
        remove.withdraw_student("u300", "one")
    commit("Add one")
    assert remove.remove_batch("one") == 6
    assert not paths.raw_path("one").exists()
    assert paths.BATCH_LIST.read_text() == "# the order of arrival\nbatches:\n  - tiny\nsynthetic_classes: {}\n"


def test_only_a_batch_that_a_commit_brings_back_is_removed(repository: Path, run: Run, tmp_path: Path) -> None:
    write_class(tmp_path / "one", {"train": ("u300", "u301")})
    add.add_batch(tmp_path / "one", "one")
    raw, record = paths.raw_path("one"), dvc_records.dvc_file_path("one")

    def refused(reason: str) -> None:
        before = outputs_of_batch()
        with pytest.raises(ShoepairError, match=reason):
            remove.remove_batch("one")
        assert outputs_of_batch() == before

    def outputs_of_batch() -> list[Path]:
        return [*sorted(raw.rglob("*")), *([record] if record.exists() else [])]

    refused(r"data/raw/one\.dvc: not in the last commit, so nothing could bring .*\nrun `git add data/raw/one\.dvc`")
    commit("Add one")
    remove.withdraw_student("u301", "one")
    refused("not in the last commit")  # it has the photos of a student more
    commit("Withdraw u301")
    shutil.move(repository / ".dvc/cache", tmp_path / "cache")
    refused(r"data/raw/one: not in DVC's cache, so deleting it would lose the photos\nrun `dvc add data/raw/one`")
    shutil.move(tmp_path / "cache", repository / ".dvc/cache")
    shutil.copyfile(raw / "train/u300_1_left_m.jpg", raw / "train/u302_1_left_m.jpg")
    refused("changed since DVC recorded it")
    (raw / "train/u302_1_left_m.jpg").unlink()
    listed = sorted(raw.rglob("*"))
    assert remove.remove_batch("one") == 6
    assert outputs_of_batch() == []
    run("git", "checkout", "data/raw/one.dvc")
    run("dvc", "checkout", "-q", "data/raw/one.dvc")
    assert sorted(raw.rglob("*")) == listed


@pytest.mark.parametrize("moment", ["Path.rename", "shutil.rmtree", "batch_list.remove_list_entry"])
def test_removal_that_is_killed_is_completed_by_the_next(repository: Path, run: Run, moment: str) -> None:
    killed = f"""
import os, shutil, signal
from pathlib import Path
from shoepair.commands import doctor, dvc_records
from shoepair.commands.collection import batch_list, remove
{moment} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
remove.remove_batch("tiny")
"""
    run("python", "-c", killed, status=-9)
    run("dvc", "status")
    remove.remove_batch("tiny")
    assert [path.name for path in (repository / "data/raw").iterdir() if path.suffix != ".part"] == []
    assert "batches: []" in paths.BATCH_LIST.read_text()
    list(doctor.repair_project())
    assert list((repository / "data/raw").iterdir()) == []


@pytest.mark.usefixtures("repository")
def test_status_that_fails_is_not_called_a_change() -> None:
    Path(".dvc/config").write_text("[core")
    with pytest.raises(VersionControlError, match=r"^DVC: .*config"):
        remove.withdraw_student("u005", "tiny")
    with pytest.raises(VersionControlError, match=r"^DVC: .*config"):
        remove.remove_batch("tiny")
    assert len(remove.find_files_naming_student("u005", "tiny")) == 6


@pytest.mark.usefixtures("project")
def test_overview_counts_by_name_and_marks_what_is_not_known(run: Run) -> None:
    batch_list.append_list_entry("far")
    rows = {row["batch"]: row for row in overview.batch_overview_rows().to_dict("records")}
    length = sum(path.stat().st_size for path in paths.raw_path("tiny").rglob("*.jpg"))
    wanted = {"students": 8, "photos": 48, "men": 7, "women": 1, "bytes": length, "source": "added"}
    assert {name: rows["tiny"][name] for name in wanted} == wanted
    lines = collection_tables.batch_table(overview.batch_overview_rows()).plain_text().splitlines()
    assert lines[2].split() == ["far", "added", *"-------"]
    assert "quarantined" in run(*CLI, "batches").stdout


class Cache:
    """The objects of a DVC cache or remote in a folder, by digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files/md5"

    def digests(self) -> set[str]:
        return {path.parent.name + path.name for path in self.folder.glob("??/*")}


def withdraw(run: Run) -> Searcher:
    """Withdraw the student from the tiny class, which no stage has read yet; commit that."""
    searcher = Searcher(Path())
    run(*CLI, "forget", GONE, "--batch", "tiny")
    commit("Withdraw a student")
    return searcher


def test_purge_in_a_shared_cache_leaves_the_files_of_other_projects(
    repository: Path, run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("others")
    isolate(monkeypatch, folder)
    shared, other = folder / "shared", folder / "other"
    run("dvc", "config", "cache.dir", str(shared))
    run("dvc", "commit", "-q", "-f", "data/raw/tiny.dvc")
    shutil.rmtree(".dvc/cache", ignore_errors=True)
    commit("Share the cache")
    # Another project: its class has a student of the same id, and tables, a store, pages, pictures and runs.
    other.mkdir()
    write_class(other / "tiny", {"train": ("u001",), "test_m": (GONE,)})
    Image.new("RGB", (4, 4)).save(other / "plot.png")
    (other / "page.html").write_text(f'<td>{GONE}</td><img src="data:image/png;base64,AAAA">')
    pd.DataFrame({"batch": ["tiny"], "student": [GONE]}).to_parquet(other / "split.parquet")
    run(
        "sh",
        "-c",
        f"cd '{other}' && git init -q && dvc init -q && dvc config cache.dir '{shared}'"
        " && dvc add -q tiny plot.png page.html split.parquet"
        " && dvc stage add -q --run -n s -d plot.png -o out 'cp page.html out'",
    )
    kept = {path: path.read_bytes() for path in shared.rglob("*") if path.is_file()}
    theirs = {path for path in withdraw(run).find(shared) if path.parent.parent.name == "md5"}

    refused = run(*PURGE, status=1)
    assert f"note: cache {shared}: outside this project or shared, so other projects may use it" in refused.stdout
    assert "add --yes to delete it without a question" in refused.stderr
    assert all(path.is_file() for path in kept)
    run(*PURGE, "--yes")
    gone = {path for path in kept if not path.is_file()}
    assert len(gone) == 6 + 1, "the photos of train, and the listing that names them"
    assert gone <= theirs
    assert (
        run("sh", "-c", f"cd '{other}' && rm -r tiny plot.png page.html split.parquet out && dvc checkout -q").stdout
        == ""
    )
    assert repository.is_dir()


@pytest.mark.usefixtures("repository")
def test_purge_of_a_remote_folder_deletes_what_this_project_named_and_no_more(
    run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("remotes")
    isolate(monkeypatch, folder)
    remotes = {name: folder / name for name in ("near", "far")}
    for name, path in remotes.items():
        run("dvc", "remote", "add", "-q", name, str(path))
        run("dvc", "push", "-q", "--remote", name)
    foreign = [remotes["far"] / "files/md5/00" / name for name in ("0" * 30, "1" * 30 + ".dir")]
    for path in foreign:  # of another project
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'[{{"md5": "{"0" * 32}", "relpath": "{GONE}_1_left_m.jpg"}}]')
    searcher = withdraw(run)
    assert "remote 'far': all pushed files" in run(*PURGE, "--yes", "--remote", "near").stdout
    assert list(searcher.find(remotes["near"])) == []
    assert len(list(searcher.find(remotes["far"]))) == 6 + 1 + 2

    # The listing that names the photos is no longer here, but there.
    listed = run(*PURGE, "--remote", "far", "--dry-run").stdout
    assert "remote 'far': 1 x listing, 6 x photo" in listed
    assert f"note: remote 'far' ({remotes['far']}): other projects and clones may use it" in listed
    assert "add --yes" in run(*PURGE, "--remote", "far", status=1).stderr
    assert len(list(searcher.find(remotes["far"]))) == 6 + 1 + 2
    run(*PURGE, "--remote", "far", "--yes")
    assert list(searcher.find(remotes["far"])) == sorted(foreign)
    run("dvc", "push", "-q", "--remote", "far")
    shutil.rmtree(".dvc/cache")
    shutil.rmtree(paths.raw_path("tiny"))
    run("dvc", "pull", "-q", "--remote", "far", "data/raw/tiny.dvc")
    assert "not in DVC's configuration, which has far, near" in run(*PURGE, "--remote", "x", status=1).stderr


def test_purge_over_ssh(
    repository: Path,
    run: Run,
    tmp_path_factory: pytest.TempPathFactory,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path_factory.mktemp("ssh")
    isolate(monkeypatch, folder)
    run("dvc", "remote", "add", "-q", "--default", "store", server.url(folder / "remote"))
    commit("Add a remote")  # DVC reads the last commit with today's local settings
    run("dvc", "remote", "modify", "-q", "--local", "store", "keyfile", str(server.key))
    run("dvc", "push", "-q", "--run-cache")
    searcher = withdraw(run)
    run("dvc", "push", "-q")
    before = len(Cache(folder / "remote").digests())
    run(*PURGE, "--remote", "store", "--yes")
    assert list(searcher.find(folder / "remote")) == []
    assert len(Cache(folder / "remote").digests()) == before - 7
    server.process.kill()
    server.process.wait()
    message = run(*PURGE, "--remote", "store", "--yes", status=1).stderr
    assert message.startswith("error: remote 'store': ")
    assert "Traceback" not in message
    assert repository.is_dir()


@pytest.mark.usefixtures("repository")
def test_purge_of_a_bucket(
    run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dvc_s3", reason="no dvc_s3: the extra `s3` has it")
    isolate(monkeypatch, tmp_path_factory.mktemp("bucket"))
    with buckets.serving() as endpoint:
        buckets.use(monkeypatch, endpoint)
        system = buckets.system()
        system.mkdir(buckets.BUCKET)
        run("dvc", "remote", "add", "-q", "--default", "store", f"s3://{buckets.BUCKET}/dvc")
        run("dvc", "push", "-q")
        searcher = withdraw(run)
        run("dvc", "push", "-q")
        system.invalidate_cache()
        before = system.find(buckets.BUCKET)
        run(*PURGE, "--remote", "store", "--yes")
        system.invalidate_cache()
        after = system.find(buckets.BUCKET)
        assert len(before) - len(after) == 6 + 1
        assert not any(searcher.holds(system.cat_file(path)) for path in after)
        system.rm(buckets.BUCKET, recursive=True)
        run(*PURGE, "--remote", "store", "--yes")
    message = run(*PURGE, "--remote", "store", "--yes", status=1).stderr
    buckets.forget()
    assert message.startswith("error: remote 'store': ")
    assert "Traceback" not in message
