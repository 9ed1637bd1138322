"""dvc.yaml, docs and tests agree with the code: declarations, imports, parameters, file names."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator

import pytest
from support.field import ROOT
from support.pipeline import PIPELINE, STAGES, declared, groups, needed, packages

from shoepair.runtime import library_versions, params
from shoepair.runtime.batches import load_batch_lists
from shoepair.training.config import TrainConfig


def read_keys(stage: str) -> Iterator[str]:
    """Yield the parameters that a stage loads: the keys of every `params.load(X)`."""
    source = (ROOT / "stages" / f"{stage}.py").read_text()
    names = re.findall(r"params\.load\((\w+)\)", source)
    assert source.count("params.load(") == len(names)
    for name in names:
        yield from params.section_keys(getattr(importlib.import_module(f"stages.{stage}"), name))
    if "load_batch_lists()" in source:
        yield "data/batches.yaml:batches"
    if "load_synthetic_class(" in source or ".synthetic_classes" in source:
        yield "data/batches.yaml:synthetic_classes"


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


# Libraries that a stage need not declare: they check, report or count cores, and affect no result.
WITHOUT_RESULTS = {"pandera", "pydantic", "threadpoolctl"}
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn"}


def walk_running_code(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a module, but for those that only a type checker reads."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from walk_running_code(node)


def libraries_of(stage: str) -> set[str]:
    """Return the libraries that the modules of a stage import, but for those of `runtime`."""
    files = [path for path in needed(ROOT / "stages" / f"{stage}.py") if not path.startswith("shoepair/runtime/")]
    trees = [node for path in files for node in walk_running_code(ast.parse((ROOT / path).read_text()))]
    names = [node.module for node in trees if isinstance(node, ast.ImportFrom) and node.module]
    names += [alias.name for node in trees if isinstance(node, ast.Import) for alias in node.names]
    tops = {name.partition(".")[0] for name in names} - {"shoepair", "typing_extensions"} - sys.stdlib_module_names
    return {PACKAGES.get(top, top) for top in tops} - WITHOUT_RESULTS


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_the_packages_it_imports_and_no_single_file(stage: str) -> None:
    code = [dep for dep in declared(stage)["deps"] if dep.startswith(("shoepair/", "stages/"))]
    assert sorted(code) == sorted({f"stages/{stage}.py", *packages(stage)})


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_the_libraries_it_uses(stage: str) -> None:
    assert libraries_of(stage) <= set(library_versions.expected_version_by_library(groups(stage)))


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_the_version_of_outputs(stage: str) -> None:
    assert {"shoepair/runtime/__init__.py": ["OUTPUT_VERSION"]} in declared(stage)["params"]


def test_pipeline_is_short() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 460


def read_lock(name: str) -> dict[str, tuple[str, int]]:
    """Return version and number of hashes of each package that a lock file pins."""
    entries = re.findall(r"^([a-z0-9-]+)==(\S+)((?:[^#\n]*\\\n[^\n]+)*)", (ROOT / name).read_text(), re.MULTILINE)
    return {package: (version, options.count("--hash=sha256:")) for package, version, options in entries}


def test_table_of_libraries_agrees_with_the_lock_and_the_docs_with_the_version_of_torch() -> None:
    table = library_versions.expected_version_by_library()
    torch = table.pop("torch")
    lock = read_lock("requirements.lock")
    assert {name: lock[name.replace("_", "-")][0] for name in table} == table
    assert f"\npython -m pip install torch=={torch}\n" in (ROOT / "docs/machines.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert [entry["version"] for entry in project["tool"]["uv"]["dependency-metadata"]] == [torch]


def test_lock_of_the_tests_lies_on_that_of_the_pipeline_and_every_package_but_torch_has_hashes() -> None:
    lock, tests = read_lock("requirements.lock"), read_lock("requirements-test.lock")
    assert lock.items() <= tests.items()
    assert all(hashes for _, hashes in tests.values())
    assert not [name for name in tests if name.startswith(("torch", "nvidia", "cuda", "triton"))]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for names, locked in (
        (project["dependencies"] + project["optional-dependencies"]["serve"], lock),
        ([name for extra in project["optional-dependencies"].values() for name in extra], tests),
    ):
        wanted = {re.split(r"[\[>=<]", name)[0].replace("_", "-").replace(".", "-").lower() for name in names}
        assert wanted - {"torch"} <= locked.keys()
    heavy = {"ray", "playwright", "moto", "mypy", "onnx", "onnxruntime", "pytest", "boto3"}
    assert heavy <= tests.keys()
    assert not heavy & lock.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_the_params_it_uses(stage: str) -> None:
    read, keys = set(read_keys(stage)), set(declared_keys(stage))
    assert {key for key in read if not any(covers(name, key) for name in keys)} == set(), "read, but not declared"
    assert {name for name in keys if not any(covers(name, key) for key in read)} == set(), "declared, but not read"


@pytest.mark.parametrize("stage", STAGES)
def test_stages_import_no_stage_and_edit_no_path(stage: str) -> None:
    source = (ROOT / "stages" / f"{stage}.py").read_text()
    assert "sys.path" not in source
    assert not [name for name in needed(ROOT / "stages" / f"{stage}.py") if name.startswith("stages/")][1:]


def test_every_stage_is_in_the_pipeline() -> None:
    assert sorted(PIPELINE) == STAGES


def test_no_parameter_has_a_name_that_dvc_leaves_out_of_its_key() -> None:
    names = {
        part for section in params.list_sections() for key in params.section_keys(section) for part in key.split(".")
    }
    assert not names & {"size", "nfiles"}  # treeverse/dvc#10296


def test_params_of_the_project_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert params.load(TrainConfig).lr == 4e-3
    assert load_batch_lists().batches


def test_files_named_by_architecture_md_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    folder, missing = ROOT, []
    for name in re.findall(r"`([\w/.]+\.py)`", text):
        candidates = [ROOT / name, ROOT / "shoepair" / name, folder / name]  # folder: of the file named before
        path = next((path for path in candidates if path.is_file()), None)
        missing += [] if path else [name]
        folder = path.parent if path else folder
    assert missing == []


def test_every_module_has_a_file_of_unit_tests() -> None:
    modules = [path.relative_to(ROOT / "shoepair") for path in (ROOT / "shoepair").rglob("*.py")]
    files = [module.parent / f"test_{module.stem}.py" for module in modules if not module.stem.startswith("__")]
    assert [str(file) for file in files if not (ROOT / "tests/unit" / file).is_file()] == []
