"""The pipeline's own files: what dvc.yaml declares against what the code uses."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator

import pytest
from support.field import ROOT
from support.pipeline import PIPELINE, STAGES, declared, groups, needed, rooms

from shoepair.runtime import libraries, params
from shoepair.runtime.batches import load_batches
from shoepair.training.config import TrainConfig


def read_keys(stage: str) -> Iterator[str]:
    """The parameters that a stage's code asks for: every `params.load(X)`."""
    source = (ROOT / "stages" / f"{stage}.py").read_text()
    names = re.findall(r"params\.load\((\w+)\)", source)
    assert source.count("params.load(") == len(names)
    for name in names:
        yield from params.keys(getattr(importlib.import_module(f"stages.{stage}"), name))
    if "load_batches()" in source:
        yield "data/batches.yaml:batches"
    if "load_sample(" in source or ".samples" in source:
        yield "data/batches.yaml:samples"


def covers(declaration: str, key: str) -> bool:
    return key == declaration or key.startswith(f"{declaration}.")


def declared_keys(stage: str) -> Iterator[str]:
    for entry in declared(stage).get("params", []):
        if isinstance(entry, str):
            yield entry
        else:
            for file, names in entry.items():
                if file == "data/batches.yaml":
                    yield from (f"{file}:{name.split('.')[0]}" for name in names)


# What a stage's modules may import without naming it: it only checks, reports, counts cores or waits.
WITHOUT_RESULTS = {"pandera", "pydantic", "threadpoolctl"}
PACKAGES = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn", "faiss": "faiss-cpu"}


def libraries_of(stage: str) -> set[str]:
    """The libraries that the modules of a stage import, but for those of `runtime`."""
    files = [path for path in needed(ROOT / "stages" / f"{stage}.py") if not path.startswith("shoepair/runtime/")]
    trees = [node for path in files for node in ast.walk(ast.parse((ROOT / path).read_text()))]
    names = [node.module for node in trees if isinstance(node, ast.ImportFrom) and node.module]
    names += [alias.name for node in trees if isinstance(node, ast.Import) for alias in node.names]
    tops = {name.partition(".")[0] for name in names} - {"shoepair", "typing_extensions"} - sys.stdlib_module_names
    return {PACKAGES.get(top, top) for top in tops} - WITHOUT_RESULTS


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_the_rooms_it_reaches_and_no_file_of_the_library(stage: str) -> None:
    code = [dep for dep in declared(stage)["deps"] if dep.startswith(("shoepair/", "stages/"))]
    assert sorted(code) == sorted({f"stages/{stage}.py", *rooms(stage)})


@pytest.mark.parametrize("stage", STAGES)
def test_stage_names_the_libraries_it_uses(stage: str) -> None:
    assert libraries_of(stage) <= set(libraries.expected(groups(stage)))


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_the_version_of_outputs(stage: str) -> None:
    assert {"shoepair/runtime/__init__.py": ["OUTPUT_VERSION"]} in declared(stage)["params"]


def test_pipeline_is_short() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 350


def test_table_of_libraries_agrees_with_the_lock() -> None:
    lock = dict(
        line.lower().split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    )
    table = libraries.expected()
    assert {name: lock[name] for name in table} == table


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
    names = {part for section in params.sections() for key in params.keys(section) for part in key.split(".")}
    assert not names & {"size", "nfiles"}  # treeverse/dvc#10296


def test_params_of_the_project_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert params.load(TrainConfig).lr == 4e-3
    assert load_batches().batches


def test_files_that_the_map_names_are_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    folder, missing = ROOT, []
    for name in re.findall(r"`([\w/.]+\.py)`", text):
        places = [
            ROOT / name,
            ROOT / "shoepair" / name,
            folder / name,
        ]  # a bare name is in the folder of the one before
        found = next((place for place in places if place.is_file()), None)
        missing += [] if found else [name]
        folder = found.parent if found else folder
    assert missing == []


def test_readme_tells_of_the_code_in_25_lines() -> None:
    section = (ROOT / "README.md").read_text().split("## The code\n")[1]
    assert len(section.splitlines()) <= 25


def test_every_module_has_a_file_of_unit_tests() -> None:
    modules = [path.relative_to(ROOT / "shoepair") for path in (ROOT / "shoepair").rglob("*.py")]
    files = [module.parent / f"test_{module.stem}.py" for module in modules if not module.stem.startswith("__")]
    assert [str(file) for file in files if not (ROOT / "tests/unit" / file).is_file()] == []
