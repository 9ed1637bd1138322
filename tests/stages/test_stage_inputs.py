"""A file that is replaced while a stage runs ends the stage, whichever it is; put back, the stage runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.field import edit

from shoepair.data import parquet_files, store
from shoepair.runtime import paths, stage, stage_inputs
from stages import ingest, normalize, pairs, split, validate

PHOTO = paths.raw_path("tiny") / "train/u001_1_left_m.jpg"
OTHER_PHOTO = PHOTO.with_name("u002_1_left_m.jpg")
BEFORE: list[tuple[ModuleType, str]] = [(ingest, "tiny"), (validate, "tiny"), (normalize, "tiny"), (split, "")]


def run(patch: pytest.MonkeyPatch, module: ModuleType, argument: str = "") -> object:
    """Run a stage as `python -m stages.NAME` does; return what it exits with, None if it succeeds."""
    patch.setattr(sys, "argv", [str(module.__file__), *argument.split()])
    try:
        stage.run(module.main)
    except SystemExit as ended:
        return ended.code
    return None


def happen_before(patch: pytest.MonkeyPatch, module: ModuleType, name: str, change: Callable[[], object]) -> None:
    """Let something happen before a function of a module is called."""
    function: Callable[..., Any] = getattr(module, name)

    def changed(*arguments: Any) -> Any:
        change()
        return function(*arguments)

    patch.setattr(module, name, changed)


def replace_photo() -> None:
    PHOTO.write_bytes(OTHER_PHOTO.read_bytes())


def edit_code() -> None:
    Path("stages/pairs.py").write_text(Path("stages/pairs.py").read_text() + "# edited\n")


def save_again() -> None:
    for path in (PHOTO, paths.SPLIT, Path("stages/pairs.py")):
        part = path.with_suffix(".new")
        part.write_bytes(path.read_bytes())
        part.rename(path)


@pytest.fixture
def ready(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny project, its pairs not yet made."""
    monkeypatch.setattr(stage_inputs, "SAVING_SECONDS", 0)
    for module, argument in BEFORE:
        assert run(monkeypatch, module, argument) is None
    return project


@pytest.mark.parametrize(
    ("module", "argument", "output", "writer", "change", "what"),
    [
        (
            validate,
            "tiny",
            paths.accepted_path("tiny"),
            (parquet_files, "write_table"),
            replace_photo,
            f"{PHOTO} changed",
        ),
        (normalize, "tiny", paths.store_path("tiny"), (store, "write_store"), replace_photo, f"{PHOTO} changed"),
        (pairs, "", paths.PAIRS, (parquet_files, "write_table"), edit_code, "stages/pairs.py changed"),
        (
            pairs,
            "",
            paths.PAIRS,
            (parquet_files, "write_table"),
            lambda: paths.SPLIT.write_bytes(b"other"),
            f"{paths.SPLIT} changed",
        ),
        (
            split,
            "",
            paths.SPLIT,
            (parquet_files, "write_table"),
            lambda: edit(paths.PARAMS, "salt: shoes ", "salt: boots "),
            "split.salt in params.yaml changed from 'shoes' to 'boots'",
        ),
        (
            split,
            "",
            paths.SPLIT,
            (parquet_files, "write_table"),
            lambda: edit(paths.BATCH_LIST, "  - tiny", "  - tiny\n  - late"),
            "batches in data/batches.yaml changed from ['tiny'] to ['tiny', 'late']",
        ),
    ],
    ids=["validate", "normalize", "code", "table", "parameter", "batches"],
)
@pytest.mark.usefixtures("ready")
def test_change_during_a_stage_ends_it_and_put_back_it_runs(
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    argument: str,
    output: Path,
    writer: tuple[ModuleType, str],
    change: Callable[[], object],
    what: str,
) -> None:
    kept = {path: path.read_bytes() for path in (PHOTO, paths.SPLIT, paths.PARAMS, paths.BATCH_LIST)}
    kept[Path("stages/pairs.py")] = Path("stages/pairs.py").read_bytes()
    output.unlink(missing_ok=True)  # as DVC does
    changes = [change]
    with monkeypatch.context() as patch:
        happen_before(patch, *writer, lambda: changes.pop()() if changes else None)
        name = "@".join([str(module.__name__).removeprefix("stages."), *argument.split()])
        line, fix = str(run(patch, module, argument)).split("\n")
    assert line == f"error: {name}: {what} while it ran; its outputs were not kept"
    assert "`dvc repro`" in fix
    assert not output.exists()
    for path, content in kept.items():
        path.write_bytes(content)
    assert run(monkeypatch, module, argument) is None
    assert output.exists()


@pytest.mark.parametrize(("module", "argument"), [(validate, "tiny"), (pairs, "")])
@pytest.mark.usefixtures("ready")
def test_files_that_are_saved_again_with_the_same_bytes_end_no_stage(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, argument: str
) -> None:
    happen_before(monkeypatch, parquet_files, "write_table", save_again)
    assert run(monkeypatch, module, argument) is None
