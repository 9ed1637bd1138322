"""The whole pipeline by the real `dvc` and `git` commands, on a tiny class; and a class that arrives."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from support.commands import Run, commit, ran
from support.field import EDGE, ROOT, edit, outputs, write_class

from shoepair.runtime import paths


def test_pipeline_runs_once_then_only_what_changed(repository: Path, run: Run) -> None:
    everything = {f"{stage}@tiny" for stage in ("ingest", "validate", "normalize", "features", "sheets")}
    everything |= {
        "synthetic",
        "split",
        "pairs",
        "audit",
        "suspects",
        "train@cnn",
        "train@cnn_channel",
        "evaluate",
        "analyze",
        "report",
    }
    assert ran(run("dvc", "repro").stdout) == everything
    first = outputs(repository)
    assert ran(run("dvc", "repro").stdout) == set()
    kept = {path.name for path in (paths.KEPT_MATCHES, paths.KEPT_MEASURES_FOLDER)}
    left = {path.name for path in (repository / "checkpoints").iterdir()}
    assert left <= kept, "a finished training left its checkpoint"

    headline = json.loads(first["metrics/evaluation.json"])
    assert headline["best"]["model"] in {"cnn", "cnn_channel"}
    assert set(headline["cnn"]) == {"valid", "test_m", "test_w"}
    assert headline["verdict"] == "no baseline trained"
    assert "best.test_m" in run("dvc", "metrics", "show").stdout
    told = run("python", "-m", "shoepair", "metrics").stdout
    assert "all six: negative" in told
    assert f"minus {headline['best']['model']}" in told
    decided = json.loads(first["data/decision.json"])
    assert decided["model"] == headline["best"]["model"]
    assert "nothing is probable" in decided["says"], "two students of valid or fewer answer nothing"

    edit(repository / "params.yaml", "lr: 1.0e-3 ", "lr: 2.0e-4 ")
    assert ran(run("dvc", "repro").stdout) == {"train@cnn", "train@cnn_channel", "evaluate", "report"}
    edit(repository / "params.yaml", "lr: 2.0e-4 ", "lr: 1.0e-3 ")
    run("dvc", "repro")
    assert outputs(repository) == first, "the same inputs gave other bytes"

    edit(repository / "params.yaml", "salt: shoes ", "salt: boots ")
    assert ran(run("dvc", "repro").stdout) >= {"split", "pairs"}
    assert not ran(run("dvc", "repro").stdout)


def test_two_builds_in_different_places_give_the_same_bytes(trained: Path, run: Run, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    run("git", "clone", "-q", str(trained), str(other))
    shutil.copytree(trained / "data/raw/tiny", other / "data/raw/tiny")
    run("sh", "-c", f"cd '{other}' && dvc repro")
    assert outputs(other) == outputs(trained)


# What may differ from one machine to the other and must not show: time zone, order of sets, rights, language.
SURROUNDINGS = (
    "export TZ=America/St_Johns; umask 002",
    "export TZ=Asia/Kathmandu PYTHONHASHSEED=1 LC_ALL=C; umask 077",
)


def test_sample_class_built_in_two_clones_gives_the_same_bytes(project: Path, run: Run, tmp_path: Path) -> None:
    shutil.rmtree(project / "data/raw")
    shutil.copyfile(ROOT / "data/batches.yaml", paths.BATCH_LIST)
    edit(paths.PARAMS, f"edge: {EDGE} ", "edge: 224 ")
    edit(paths.PARAMS, "epochs: 2 ", "epochs: 1 ")
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    commit("Begin")
    built = []
    for number, surroundings in enumerate(SURROUNDINGS):
        place = tmp_path / "clones" / str(number)
        run("git", "clone", "-q", str(project), str(place))
        run("sh", "-c", f"cd '{place}'; {surroundings}; dvc repro -q")
        built.append(outputs(place) | {"data/raw": digest(place / "data/raw/drawn")})
    assert len(built[0]) > 15
    assert [name for name in built[0].keys() | built[1].keys() if built[0].get(name) != built[1].get(name)] == []


def digest(folder: Path) -> bytes:
    """One digest of all files of a folder, names and contents."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return whole.digest()


def test_class_that_arrives_becomes_a_batch(repository: Path, run: Run, tmp_path: Path) -> None:
    handed_in = tmp_path / "Handed In"
    write_class(handed_in, {"train": ("u200", "u201"), "test_m": ("u202",)})
    run("python", "-m", "shoepair", "add", str(handed_in), "--name", "late")
    batches = repository / "data/batches.yaml"
    assert batches.read_text() == "# the order of arrival\nbatches:\n  - tiny\n  - late\nsynthetic_classes: {}\n"
    assert (repository / "data/raw/late.dvc").is_file()
    assert "data/raw/late/" not in run("git", "status", "--short").stdout, "git would take the photos"
    ran_stages = ran(run("dvc", "repro").stdout)
    assert {"ingest@late", "normalize@late", "evaluate"} <= ran_stages
    assert (handed_in / "train/u200_1_left_m.jpg").is_file()
