"""Declarations of dvc.yaml, and imports of the stages."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from support.field import ROOT

STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
PIPELINE: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def imported(path: Path) -> set[Path]:
    """Return the project's files that a file imports."""
    files = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            base = ROOT / name.replace(".", "/")
            files |= {file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()}
    return files - {ROOT / "shoepair/__init__.py", ROOT / "stages/__init__.py"}


def needed(path: Path) -> set[str]:
    """Return all project files that a file imports, directly or not, and itself."""
    files, todo = {path}, [path]
    while todo:
        new = imported(todo.pop()) - files
        files |= new
        todo += new
    return {str(file.relative_to(ROOT)) for file in files}


def declared(stage: str) -> dict[str, Any]:
    entry: dict[str, Any] = PIPELINE[stage]
    body: dict[str, Any] = entry.get("do", entry)
    return body


def packages(stage: str) -> set[str]:
    """Return the packages that a stage imports, directly or not, but for `runtime`, which affects no output."""
    folders = {path.rpartition("/")[0] for path in needed(ROOT / "stages" / f"{stage}.py")}
    return {folder for folder in folders if folder not in {"stages", "shoepair"} and "shoepair/runtime" not in folder}


def groups(stage: str) -> list[str]:
    """Return the library groups that a stage declares."""
    entries = [entry for entry in declared(stage)["params"] if isinstance(entry, dict)]
    names = [name for entry in entries for name in entry.get("pyproject.toml", [])]
    return [name.removeprefix("tool.shoepair.results.") for name in names]
