"""The stages need no DVC: their commands, in the order of dvc.yaml, give the same bytes: for Make or Airflow."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from support.commands import Run

INPUTS = ("data/raw/", "data/batches.yaml", "data/README.md", "metrics/crossval/README.md")
OUTPUTS = ("data", "metrics", "models", "plots", "reports")


def list_commands(folder: Path) -> list[str]:
    """Return the commands of dvc.yaml in its order, those of `foreach` once for each item."""
    load = YAML(typ="safe").load
    pipeline = load((folder / "dvc.yaml").read_text())
    values = load((folder / "params.yaml").read_text()) | load((folder / "data/batches.yaml").read_text())
    commands = []
    for stage in pipeline["stages"].values():
        if "foreach" not in stage:
            commands.append(stage["cmd"])
            continue
        items: Any = values
        for part in stage["foreach"].removeprefix("${").removesuffix("}").split("."):
            items = items[part]
        commands += [stage["do"]["cmd"].replace("${item}", item).replace("${key}", item) for item in items]
    return commands


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for name in OUTPUTS for path in (folder / name).rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in {".gitignore", "README.md"} and path.suffix != ".dvc"
    }


@pytest.mark.usefixtures("trained")
def test_commands_of_the_pipeline_give_the_same_bytes_without_dvc(run: Run) -> None:
    expected = digests(Path())
    assert {"models/cnn.safetensors", "data/duplicates.parquet", "reports/index.html"} <= expected.keys()
    for name in ("dvc.lock", ".dvc", ".git", "checkpoints"):
        path = Path(name)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in expected:
        if not name.startswith(INPUTS):
            Path(name).unlink()
    for command in list_commands(Path()):
        run(*shlex.split(command))
    assert digests(Path()) == expected
