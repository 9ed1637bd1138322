"""A student withdraws from a trained project: no copy of theirs remains that is not named."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from support.commands import CLI, Run, commit, put_under_version_control
from support.field import CLASS, copy_project, outputs, write_class
from support.withdrawals import GONE, PURGE, Searcher, isolate

from shoepair.commands.collection import withdrawn
from shoepair.runtime import paths

EXPERIMENT = Path(".dvc/tmp/exps/tmp-killed")
EMBEDDED = re.compile(r"data:image/jpeg;base64,([A-Za-z0-9%=]+)")


def made_by_pipeline(project: Path) -> dict[str, bytes]:
    """Return the outputs without receipts and exports."""
    left_out = ("reports/withdrawals/*", "reports/*.npy")
    return {name: content for name, content in outputs(project).items() if not any(map(Path(name).match, left_out))}


def plant_copies(project: Path, temporary: Path) -> None:
    """Leave copies of the student's data everywhere where programs and people leave some."""
    photo = next((project / "data/raw/tiny/train").glob(f"{GONE}_1_left_*"))
    # An experiment that was killed: a copy of the project.
    for name in ("data", "reports", "plots", "models", "metrics"):
        shutil.copytree(project / name, EXPERIMENT / name)
    shutil.copyfile("dvc.lock", EXPERIMENT / "dvc.lock")
    (EXPERIMENT / ".dvc").mkdir()
    (EXPERIMENT / ".dvc/config").touch()
    # What programs write.
    shutil.copytree("plots/examples", "dvc_plots/static")
    (Path("dvc_plots") / "index.html").write_text(Path("reports/index.html").read_text())
    Path("checkpoints/crossval").mkdir(parents=True, exist_ok=True)
    shutil.copyfile("models/cnn.safetensors", "checkpoints/cnn.safetensors")
    for name, student in (("gone", GONE), ("stays", "u001")):
        rows = pd.DataFrame({"batch": ["tiny"], "student": [student]})
        rows.to_parquet(f"checkpoints/crossval/{name}.parquet")
    (temporary / "shoepair-unpacked/train").mkdir(parents=True)
    shutil.copyfile(photo, temporary / "shoepair-unpacked/train" / photo.name)
    (temporary / "ray/session_1/logs").mkdir(parents=True)
    (temporary / "ray/session_1/logs/worker.out").write_text(f"{project}/data/raw/tiny/train/{photo.name}: cannot")
    # What people leave: renamed, and beside others' files.
    Path("holiday").mkdir()
    shutil.copyfile(photo, "holiday/sunset.JPG")
    shutil.copyfile("data/store/tiny.h5", "holiday/backup.h5")
    shutil.copyfile("data/pairs.parquet", "holiday/old.parquet")
    shutil.copyfile("reports/index.html", "holiday/index.html")
    shutil.copyfile("models/cnn.safetensors", "holiday/best.safetensors")


def count_runs(cache: Path) -> int:
    """Count the entries of a run cache."""
    return len(list((cache / "runs").glob("*/*/*")))


def test_nothing_of_a_withdrawn_student_remains(
    trained: Path, run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("places")
    temporary, site_cache = isolate(monkeypatch, folder)
    remote = folder / "remote"
    run("dvc", "remote", "add", "-q", "-d", "store", str(remote))
    commit("Add a remote")
    # Thumbnails came with the class, an experiment ran, a run was never committed, arrays were exported.
    thumbnails = paths.raw_path("tiny") / "train/Thumbs.db"
    thumbnails.write_bytes(next(thumbnails.parent.glob(f"{GONE}_2_left_*")).read_bytes() + b"\0")
    # Recorded before DVC left out such files.
    rules = Path(".dvcignore").read_text().splitlines(keepends=True)
    Path(".dvcignore").write_text("".join(line for line in rules if "/data/raw/" not in line))
    run("dvc", "add", "-q", "data/raw/tiny")
    commit("Add a file of a file manager")
    run("dvc", "exp", "run", "-q", "-n", "fewer", "-S", "evaluate.resamples=120")
    run("dvc", "push", "-q", "--run-cache")
    run("dvc", "push", "-q", "--all-commits")
    splits = pd.read_parquet(paths.SPLIT).set_index("student")["split"]
    searcher = Searcher(trained)
    old_page = Path("reports/index.html").read_text()
    split = str(splits[GONE])
    run(*CLI, "export", "npy", "--split", split)
    shutil.copyfile(f"reports/{split}.npy", f"reports/of-{split}.npy")
    plant_copies(trained, temporary)
    run("git", "add", "-f", "holiday/sunset.JPG")
    run("git", "stash", "-q")
    shutil.copyfile(next((trained / "data/raw/tiny/train").glob(f"{GONE}_1_left_*")), "sunset.JPG")

    assert "no student is withdrawn" in run(*PURGE, status=1).stderr
    assert f"{GONE}: 6 photos deleted from batch 'tiny'" in run(*CLI, "forget", GONE, "--batch", "tiny").stdout
    assert not thumbnails.exists()
    assert withdrawn.withdrawn_students_by_batch() == {"tiny": [GONE]}
    before = len(list(searcher.find(trained / ".dvc", remote)))
    early = run(*PURGE, status=1).stderr
    assert "stage pairs: its outputs were made of their photos" in early
    assert "then `dvc repro`" in early
    assert len(list(searcher.find(trained / ".dvc", remote))) == before

    run("dvc", "repro", "-q")
    run("git", "add", "data", "dvc.lock", "metrics")
    run("git", "commit", "-q", "-m", "Withdraw a student")
    run(*CLI, "export", "npy", "--split", split)
    Path("notes.txt").write_text(f"{GONE} came to the office hour\n")
    kept = made_by_pipeline(trained)
    shown = run(*PURGE, "--remote", "store", "--dry-run").stdout
    assert "nothing was changed" in shown
    assert Path("sunset.JPG").exists()
    runs = count_runs(remote)
    out = run(*PURGE, "--remote", "store", "--yes", status=1).stdout
    runs -= count_runs(remote)
    left = out.partition("left, since")[2].partition("out of reach:")[0].splitlines()[1:]
    assert [line.split()[0] for line in left] == ["notes.txt:", "commit"], out
    assert Path("checkpoints/crossval/stays.parquet").exists()
    assert Path(f"reports/{split}.npy").exists(), "the export of the version in use"
    # What only a person may delete.
    Path("notes.txt").unlink()
    run("git", "stash", "drop", "-q")
    run("git", "reflog", "expire", "--expire=now", "--all")
    run("git", "gc", "-q", "--prune=now")
    out = run(*PURGE, "--remote", "store").stdout
    assert "left, since" not in out

    # Search by other means: the folder, the caches, the remote, the temporary folders; then git.
    holding = [path for path in searcher.find(trained, folder) if ".git" not in path.parts]
    assert holding == [trained / paths.WITHDRAWN_LIST]
    new_page = Path("reports/index.html").read_text()
    thumbnail_texts = set(EMBEDDED.findall(old_page)) - set(EMBEDDED.findall(new_page))
    assert thumbnail_texts
    every = [path for path in [*trained.rglob("*"), *folder.rglob("*")] if path.is_file()]
    for path in every:
        content = path.read_bytes()
        assert not any(text.encode() in content for text in thumbnail_texts), path
    objects = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"], capture_output=True, check=True
    ).stdout
    assert not any(mark in objects for mark in searcher.marks)

    # Nobody else lost anything.
    assert made_by_pipeline(trained) == kept
    assert run("dvc", "status", "-q").stdout == ""
    run("dvc", "push", "-q")
    shutil.rmtree(".dvc/cache")
    for name in ("data/raw/tiny", "data/store", "models", "reports/analysis"):
        shutil.rmtree(name)
    run("dvc", "pull", "-q")
    assert made_by_pipeline(trained) == kept
    receipt = Path("reports/withdrawals/1.md").read_text()
    for row in ("photo | 6", "system file | 1", f"run | {runs}", "model | 2", "store | 1"):
        assert f"| remote 'store' | {row} |" in receipt, receipt
    assert runs > 0
    assert not any(word in receipt for word in (GONE, "sunset", "notes.txt"))
    assert not re.search(r"[0-9a-f]{12}", receipt)
    untracked = run("git", "status", "--short", "--untracked-files=all", "reports").stdout.splitlines()
    assert untracked == ["?? reports/withdrawals/1.md", "?? reports/withdrawals/2.md"]
    run("dvc", "repro", "-q", "-s", "-f", "report")
    assert Path("reports/withdrawals/2.md").is_file()
    assert site_cache.is_dir()
    handed_in = folder / "again"
    write_class(handed_in, {"train": ("u001", GONE)})
    run(*CLI, "remove", "tiny")
    assert (
        f"{GONE}: withdrawn in data/withdrawn.yaml"
        in run(*CLI, "add", str(handed_in), "--name", "tiny", status=1).stderr
    )


def test_class_after_a_withdrawal_equals_one_that_never_had_the_student(
    trained: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    run(*CLI, "forget", GONE, "--batch", "tiny")
    run("dvc", "repro", "-q")
    run(*PURGE)
    retrained = made_by_pipeline(trained)
    never = tmp_path / "never"
    never.mkdir()
    monkeypatch.chdir(copy_project(never))
    shutil.rmtree("data/raw/tiny")
    write_class(
        Path("data/raw/tiny"), {name: tuple(one for one in all_ if one != GONE) for name, all_ in CLASS.items()}
    )
    put_under_version_control()
    run("dvc", "repro", "-q")
    assert made_by_pipeline(never) == retrained
