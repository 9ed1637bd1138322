"""Dataset versions: what `shoepair diff` and `shoepair log` say of real revisions, and that they touch nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.commands import CLI, Run
from support.field import edit, write_class, write_photo

from shoepair.commands.history import versions
from shoepair.runtime.errors import ShoepairError


def test_history_of_a_class_is_told_without_touching_it(trained: Path, run: Run, tmp_path: Path) -> None:
    def commit(subject: str) -> str:
        run("dvc", "repro", "-q")
        run("git", "add", "--all")
        run("git", "commit", "-q", "-m", subject)
        return run("git", "rev-parse", "HEAD").stdout.strip()

    first = run("git", "rev-parse", "HEAD").stdout.strip()
    write_class(tmp_path / "late", {"train": ("u200", "u201")})
    run(*CLI, "add", str(tmp_path / "late"), "--name", "late")
    second = commit("Add late")
    run(*CLI, "forget", "u200", "--batch", "late")
    write_photo(trained / "data/raw/tiny/train/u001_1_left_m.jpg", [5, 5])
    run("dvc", "add", "-q", "data/raw/tiny")
    edit(trained / "params.yaml", "salt: shoes ", "salt: boots ")
    third = commit("Withdraw u200, change a photo, deal anew")
    marks = {
        path: path.stat().st_mtime_ns
        for path in trained.rglob("*")
        if ".dvc/tmp" not in str(path) and ".git" not in path.parts
    }

    grown = json.loads(run(*CLI, "diff", first, second, "--json").stdout)
    assert grown["batches"] == {"added": ["late"], "removed": []}
    assert grown["students"] == {"added": ["late/u200", "late/u201"], "removed": []}
    assert len(grown["photos"]["added"]) == 12
    assert grown["photos"]["changed"] == grown["moved"] == grown["missing"] == grown["salt"] == []
    sets = {(metric["model"], metric["split"]) for metric in grown["metrics"]}
    assert sets == {
        (model, name) for model in ("cnn", "cnn_channel") for name in ("valid", "test_m", "test_w", "test")
    }
    test = next(metric for metric in grown["metrics"] if metric["split"] == "test")
    assert test["difference"]["students"] == 2

    later = json.loads(run(*CLI, "diff", second, "--json").stdout)
    assert later["students"]["removed"] == ["late/u200"]
    assert later["photos"]["changed"] == ["tiny/train/u001_1_left_m.jpg"]
    assert later["salt"] == ["shoes", "boots"]
    assert later["moved"]
    text = run(*CLI, "diff", second, third).stdout
    assert "1 photo changed: tiny/train/u001_1_left_m.jpg" in text
    assert "split.salt changed from 'shoes' to 'boots': all students are split anew" in text
    assert "| model | split | before | after |" in run(*CLI, "diff", first, second, "--md").stdout
    assert "no photo, student or batch changed" in run(*CLI, "diff", "HEAD").stdout

    entries = json.loads(run(*CLI, "log", "--json").stdout)
    subjects = ["Withdraw u200, change a photo, deal anew", "Add late", "Add the tiny class"]
    assert [entry["subject"] for entry in entries] == subjects
    assert entries[2]["best"]["model"] in {"cnn", "cnn_channel"}, "from the commit that trained on these photos"
    assert [(entry["students"], entry["photos"]) for entry in entries[:2]] == [(9, 54), (10, 60)]
    assert entries[1]["added"] == ["late"]
    assert entries[0]["changed"] == ["tiny", "late"]
    table = run(*CLI, "log").stdout
    assert "+late" in table
    assert "within noise" in text
    assert {path: path.stat().st_mtime_ns for path in marks} == marks, "something was written"
    assert run("git", "status", "--short").stdout == ""

    shutil.rmtree(trained / ".dvc/cache")
    far = run(*CLI, "diff", first, second).stdout
    assert "not available here" in far
    assert "data/scores.parquet: recorded, but in no cache" in far


@pytest.mark.usefixtures("repository")
def test_revision_that_does_not_exist_is_told() -> None:
    with pytest.raises(ShoepairError, match=r"revision 'nonsense': .*\ngive a commit"):
        versions.read_dataset_and_metrics("nonsense")
