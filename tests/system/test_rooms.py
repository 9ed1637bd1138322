"""What runs again after a change of code, by the real `dvc status`; what `import shoepair` loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import Run
from support.field import ROOT, edit

BATCH = {"ingest@tiny", "validate@tiny", "normalize@tiny"}
SHEETS = "sheets@tiny"
TRAIN = {"train@cnn", "train@cnn_channel"}
FEATURES = "features@tiny"
ONCE = {"synthetic", "split", "pairs", "audit", "suspects", "evaluate", "report", "analyze"}
ALL = {*BATCH, *TRAIN, *ONCE, SHEETS, FEATURES}
# A file -> the stages that run again after a comment in it; those behind them run if an output changes.
CHANGES = {
    "shoepair/runtime/errors.py": set(),
    "shoepair/runtime/parallel/local.py": set(),
    "shoepair/commands/main.py": set(),
    "shoepair/__init__.py": set(),
    "shoepair/data/schemas.py": ALL - {"analyze"},
    "shoepair/ingestion/color.py": {*BATCH, "synthetic", "split"},
    "shoepair/models/cnn.py": {*TRAIN, FEATURES, "evaluate", "analyze"},
    "shoepair/training/loop.py": {*TRAIN, FEATURES},
    "shoepair/synthetic/floors.py": {"synthetic", "analyze"},
    "shoepair/evaluation/intervals.py": {"audit", "suspects", "evaluate", "report"},
    "shoepair/reports/terminal_tables.py": {"report"},
    "shoepair/reports/analysis/gnn.py": {"report", "analyze"},
    "stages/pairs.py": {"pairs"},
}


def changed(run: Run) -> set[str]:
    """The stages whose code or parameters differ from what dvc.lock says."""
    return set(json.loads(run("dvc", "status", "--json").stdout))


def test_comment_runs_the_stages_again_that_depend_on_its_room(trained: Path, run: Run) -> None:
    assert changed(run) == set()
    for name, stages in CHANGES.items():
        path = trained / name
        before = path.read_bytes()
        path.write_bytes(before + b"\n# a comment\n")
        assert changed(run) == stages, name
        path.write_bytes(before)
    assert changed(run) == set()


def test_new_version_of_a_library_runs_the_stages_again_that_name_it(trained: Path, run: Run) -> None:
    edit(trained / "pyproject.toml", 'pillow = "', 'pillow = "9')
    assert changed(run) == {*BATCH, SHEETS, "synthetic", "split", "suspects", "report", "analyze"} - {"ingest@tiny"}
    edit(trained / "pyproject.toml", 'pillow = "9', 'pillow = "')
    edit(trained / "pyproject.toml", 'torch = "', 'torch = "9')
    assert changed(run) == {*TRAIN, FEATURES, "evaluate", "analyze"}


def test_new_version_of_outputs_runs_every_stage_again(trained: Path, run: Run) -> None:
    edit(trained / "shoepair/runtime/__init__.py", "OUTPUT_VERSION = 1", "OUTPUT_VERSION = 2")
    assert changed(run) == ALL


def test_what_editors_leave_behind_runs_nothing_again(trained: Path, run: Run) -> None:
    for folder in ("shoepair/models", "data/accepted", "data/store", "models", "reports/validation"):
        for name in (".a.py.swp", "a.py~", "#a.py#", ".ipynb_checkpoints/a.py", "__pycache__/a.pyc"):
            path = trained / folder / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
    assert changed(run) == set()
    photos = trained / "data/raw/tiny/train"
    (photos / "u001_1_left_m.jpg~").touch()
    assert changed(run) == set()
    (photos / "notes.txt").touch()  # a person's own: `ingest` lists it
    assert changed(run) == {"data/raw/tiny.dvc", *BATCH}


def test_versions_do_not_show_among_the_experiments(trained: Path, run: Run) -> None:
    shown = run("dvc", "exp", "show", "--md", "--only-changed", "--drop", ".*/|best|Created").stdout
    assert "OUTPUT_VERSION" not in shown
    assert "tool.shoepair" not in shown
    assert "workspace" in shown
    del trained


@pytest.mark.parametrize("name", ["", "load_split", "decode_photo", "CNN", "TrainConfig"])
def test_names_of_the_notebook_come_from_the_package(name: str) -> None:
    heavy = {"CNN"}
    code = f"import sys, shoepair; {name and f'shoepair.{name}; '}print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == f"{name in heavy}\n"


def test_every_room_is_tried() -> None:
    rooms = {path.name for path in (ROOT / "shoepair").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == {name.split("/")[1] for name in CHANGES if name.count("/") > 1}


def test_other_weights_or_augmented_views_train_no_model_from_scratch_again(trained: Path, run: Run) -> None:
    edit(trained / "params.yaml", "sha256: 5", "sha256: 6")
    assert changed(run) == {FEATURES}
    edit(trained / "params.yaml", "sha256: 6", "sha256: 5")
    edit(trained / "params.yaml", "augmented: 0", "augmented: 2")
    assert changed(run) == {FEATURES}
    edit(trained / "params.yaml", "augmented: 2", "augmented: 0")
    features = trained / "data/features/tiny.h5"
    features.write_bytes(features.read_bytes() + b"x")
    assert changed(run) == {FEATURES, "evaluate"}, "none of the stages `train`"
