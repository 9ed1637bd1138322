"""The pipeline's own files: the order of the modules, and what dvc.yaml declares against what the code uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from ruamel.yaml import YAML

from shoepair.runtime import params

# Low to high: a module imports only modules above it.
ORDER = [
    *(
        "errors",
        "progress",
        "engine.flow",
        "engine.local",
        "engine.cluster",
        "engine.group",
        "ranks",
        "shares",
        "paths",
        "places",
        "params",
        "colours",
        "photos",
        "table",
        "signs",
        "duplicates",
        "rules",
        "store",
        "splits",
        "pairs",
        "pairing",
        "streaming",
        "batches",
        "lessons",
        "networks",
        "histogram",
        "siamese",
        "models",
        "augmentation",
        "recipes",
        "devices",
        "deals",
        "inference",
        "checkpoints",
        "training",
        "scoring",
    ),
    *(
        "report",
        "results",
        "bootstrap",
        "curves",
        "calibration",
        "evaluation",
        "comparison",
        "crossval",
        "trials",
        "decision",
        "charts",
        "audit",
        "suspects",
        "drawing.primitives",
        "drawing.rendering",
        "drawing.floors",
        "drawing.wardrobe",
    ),
    *("drawing.trimmings", "drawing.shoes", "sample", "synthetic"),
    *(
        "archives",
        "roster",
        "drift",
        "batchlist",
        "tracking",
        "withdrawals",
        "arrival",
        "records",
        "departure",
        "repair",
        "integrity",
        "purge",
        "versions",
    ),
    *("analysis.parameters", "analysis.receptive", "analysis.conv1d", "analysis.gnn", "analysis.page"),
    *("usage.verdicts", "usage.matching", "usage.telling", "usage.exports"),
    *("usage.workers", "usage.uploads", "usage.web", "usage.server"),
    *("page.facts", "page.wording", "page.tables", "page.figures", "page.examples", "page.croissant", "page.render"),
    *("analysis.cli", "usage.cli", "cli"),
]
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
PIPELINE: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def imported(path: Path) -> set[Path]:
    """The project's own files that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            base = ROOT / name.replace(".", "/")
            found |= {file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()}
    return found - {ROOT / "shoepair/__init__.py", ROOT / "stages/__init__.py"}


def needed(path: Path) -> set[str]:
    """Everything that a file imports, and what that imports, with itself."""
    seen, todo = {path}, [path]
    while todo:
        new = imported(todo.pop()) - seen
        seen |= new
        todo += new
    return {str(file.relative_to(ROOT)) for file in seen}


def declared(stage: str) -> dict[str, Any]:
    entry: dict[str, Any] = PIPELINE[stage]
    body: dict[str, Any] = entry.get("do", entry)
    return body


def read_keys(stage: str) -> Iterator[str]:
    """The parameters that a stage's code asks for: every `params.load(params.X)`."""
    source = (ROOT / "stages" / f"{stage}.py").read_text()
    for name in re.findall(r"params\.load\(params\.(\w+)\)", source):
        yield from params.keys(getattr(params, name))
    if "params.load_batches()" in source:
        yield "data/batches.yaml:batches"
    if "params.load_sample(" in source or ".samples" in source:
        yield "data/batches.yaml:samples"


def covers(declaration: str, key: str) -> bool:
    return key == declaration or key.startswith(f"{declaration}.")


def declared_keys(stage: str) -> Iterator[str]:
    for entry in declared(stage).get("params", []):
        if isinstance(entry, str):
            yield entry
        else:
            for file, names in entry.items():
                yield from (f"{file}:{name.split('.')[0]}" for name in names)


def test_modules_import_only_modules_above_them() -> None:
    files = {path.relative_to(ROOT / "shoepair").with_suffix("").as_posix().replace("/", ".") for path in modules()}
    assert sorted(ORDER) == sorted(files)
    for place, name in enumerate(ORDER):
        path = ROOT / "shoepair" / f"{name.replace('.', '/')}.py"
        names = {file.relative_to(ROOT / "shoepair").with_suffix("").as_posix() for file in imported(path)}
        below = {other.replace("/", ".") for other in names if not other.endswith("__init__")}
        assert below <= set(ORDER[:place]), f"{name} imports what stands below it"


def modules() -> Iterator[Path]:
    yield from (path for path in (ROOT / "shoepair").rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_the_code_it_uses(stage: str) -> None:
    code = {dep for dep in declared(stage)["deps"] if dep.endswith(".py")}
    assert code == needed(ROOT / "stages" / f"{stage}.py")


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_the_params_it_uses(stage: str) -> None:
    read, given = set(read_keys(stage)), set(declared_keys(stage))
    assert {key for key in read if not any(covers(one, key) for one in given)} == set(), "read, but not declared"
    assert {one for one in given if not any(covers(one, key) for key in read)} == set(), "declared, but not read"


@pytest.mark.parametrize("stage", STAGES)
def test_stages_import_no_stage_and_edit_no_path(stage: str) -> None:
    source = (ROOT / "stages" / f"{stage}.py").read_text()
    assert "sys.path" not in source
    assert not [name for name in needed(ROOT / "stages" / f"{stage}.py") if name.startswith("stages/")][1:]


def test_every_stage_is_in_the_pipeline() -> None:
    assert sorted(PIPELINE) == STAGES


def test_no_parameter_has_a_name_that_dvc_leaves_out_of_its_key() -> None:
    names = {part for view in params.VIEWS for key in params.keys(view) for part in key.split(".")}
    assert not names & {"size", "nfiles"}  # treeverse/dvc#10296


def test_params_of_the_project_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert params.load(params.Train).lr == 4e-3
    assert params.load_batches().batches


def test_dvc_sees_every_tracked_batch(repository: Path, run: Run) -> None:
    names = run("dvc", "stage", "list", "--all", "--name-only").stdout.split()
    assert "data/raw/tiny.dvc" in names, "the .gitignore hides .dvc files from DVC"
    assert {"ingest@tiny", "validate@tiny", "normalize@tiny", "split", "pairs", "evaluate"} <= set(names)
    assert not [name for name in names if name.startswith("sample")], "no sample class was declared"
    assert (repository / "data/raw/tiny.dvc").is_file()
