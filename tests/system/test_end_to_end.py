"""The whole pipeline by the real `dvc` and `git` commands, on a tiny class; and a class that arrives."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support.commands import Run
from support.field import ROOT, write_class, write_student

from shoepair.commands import doctor
from shoepair.commands.collection import add
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


def test_fault_in_a_photo_stops_the_pipeline_before_anything_is_trained(repository: Path, run: Run) -> None:
    (repository / "data/raw/tiny/train/u001_1_left_m.jpg").write_bytes(b"x")
    done = run("dvc", "repro", status=255)
    assert "error: data/raw/tiny: 1 problem, nothing of batch 'tiny' was accepted" in done.stderr
    assert "train/u001_1_left_m.jpg: cannot be decoded" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (repository / "models").exists()


def test_class_that_arrives_alone_replaces_the_samples(repository: Path, tmp_path: Path) -> None:
    batches = repository / "data/batches.yaml"
    batches.write_text((ROOT / "data/batches.yaml").read_text())
    write_class(tmp_path / "winter", {"train": ("u200", "u201")})
    verdict, _ = add.add_batch(tmp_path / "winter", "winter", replace_others=True)
    assert str(verdict).startswith("12 files = 12 accepted + 0 quarantined + 0 ignored; ")  # then the flags
    assert YAML(typ="safe").load(batches.read_text()) == {"batches": ["winter"], "synthetic_classes": {}}
    assert batches.read_text().startswith("# The batches of the class")
    assert doctor.check_configuration()[1] == "data/batches.yaml: valid, with photos for winter"


def test_class_with_a_fault_changes_nothing(repository: Path, run: Run, tmp_path: Path) -> None:
    write_student(tmp_path / "new" / "train", "u300")[0].unlink()
    before = run("git", "status", "--short", "--ignored").stdout
    for folder, name, text in (
        (tmp_path / "new", "new", "u300: 5 photos, expected 6"),
        (tmp_path / "new", "tiny", "--name 'tiny': this batch exists already"),
        (tmp_path / "new", "New Class", "--name 'New Class', expected lower-case letters"),
        (tmp_path / "none", "none", "none: no such folder"),
    ):
        done = run("python", "-m", "shoepair", "add", str(folder), "--name", name, status=1)
        assert text in done.stderr
        assert "Traceback" not in done.stderr
    assert run("git", "status", "--short", "--ignored").stdout == before
    assert not (repository / "data/raw/new").exists()


def test_class_that_cannot_be_tracked_is_taken_back(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class(tmp_path / "new", {"train": ("u200", "u201")})
    before = (repository / "data/batches.yaml").read_bytes()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ShoepairError, match="`dvc add data/raw/new` failed"):
        add.add_batch(tmp_path / "new", "new", replace_others=False)
    assert [path.name for path in sorted((repository / "data/raw").iterdir())] == ["tiny", "tiny.dvc"]
    assert (repository / "data/batches.yaml").read_bytes() == before


@pytest.mark.usefixtures("repository")
def test_class_that_is_there_already_is_refused(tmp_path: Path) -> None:
    write_class(tmp_path / "tiny")
    with pytest.raises(ShoepairError, match="all 48 photos: the batch equals 'tiny'"):
        add.add_batch(tmp_path / "tiny", "other")
    write_class(tmp_path / "new", {"train": ("u001", "u300")})
    with pytest.raises(ShoepairError, match="u001: in the batches tiny and new, expected one"):
        add.add_batch(tmp_path / "new", "new")
    for path in sorted((tmp_path / "new/train").glob("u001_*")):
        path.rename(path.with_name(path.name.replace("u001", "u301")))
    same = "tiny/train/u001_1_left_m.jpg: same content as new/train/u301_1_left_m.jpg"
    with pytest.raises(ShoepairError, match=same):
        add.add_batch(tmp_path / "new", "new")
    assert not paths.raw_path("new").exists()


@pytest.mark.usefixtures("repository")
def test_class_is_not_compared_with_photos_that_are_not_here(tmp_path: Path) -> None:
    shutil.rmtree(paths.raw_path("tiny"))
    write_class(tmp_path / "new", {"train": ("u300",)})
    with pytest.raises(ShoepairError, match=r"batch 'tiny': its photos are not in this checkout.*\nrun `dvc pull`"):
        add.add_batch(tmp_path / "new", "new")
    assert add.add_batch(tmp_path / "new", "new", replace_others=True)[0].count_files()["students"] == 1


def test_trial_checks_and_changes_nothing(repository: Path, run: Run, tmp_path: Path) -> None:
    write_class(tmp_path / "new/winter", {"train": ("u300", "u301")})
    shutil.make_archive(str(tmp_path / "class"), "zip", tmp_path / "new")
    before = run("git", "status", "--short", "--ignored").stdout
    words = ("python", "-m", "shoepair", "add", str(tmp_path / "class.zip"), "--name", "new")
    assert (
        "2 students, 12 photos, 0 other files ignored: valid, can be added as batch 'new'"
        in run(*words, "--dry-run").stdout
    )
    assert run("git", "status", "--short", "--ignored").stdout == before
    assert "now batch 'new'" in run(*words).stdout
    assert (repository / "data/raw/new/train/u300_1_left_m.jpg").is_file()


@pytest.mark.parametrize("moment", ["dvc_records.dvc_add", "batch_list.append_list_entry"])
def test_class_whose_arrival_is_killed_is_taken_back(repository: Path, run: Run, tmp_path: Path, moment: str) -> None:
    write_class(tmp_path / "new", {"train": ("u300", "u301")})
    listed = paths.BATCH_LIST.read_bytes()
    killed = f"""
import os, signal
from pathlib import Path
from shoepair.commands import dvc_records
from shoepair.commands.collection import add, batch_list
{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
add.add_batch(Path({str(tmp_path / "new")!r}), "new")
"""
    run("python", "-c", killed, status=-9)
    assert paths.raw_path("new").is_dir()
    done = run("python", "-m", "shoepair", "doctor").stdout
    assert "batch 'new': its `shoepair add` was killed; data/raw/new was removed, add it again" in done
    assert [path.name for path in sorted((repository / "data/raw").iterdir())] == ["tiny", "tiny.dvc"]
    assert paths.BATCH_LIST.read_bytes() == listed
    assert "killed" not in run("python", "-m", "shoepair", "doctor").stdout
    assert add.add_batch(tmp_path / "new", "new")[0].count_files()["students"] == 2


@pytest.mark.usefixtures("repository")
def test_folder_that_nobody_listed_is_not_overwritten(tmp_path: Path) -> None:
    write_class(paths.raw_path("mine"), {"train": ("u300",)})
    write_class(tmp_path / "new", {"train": ("u300",)})
    with pytest.raises(ShoepairError, match=r"data/raw/mine exists, but data/batches\.yaml does not list it"):
        add.add_batch(tmp_path / "new", "mine")
    assert len(list(paths.raw_path("mine").rglob("*.jpg"))) == 6
