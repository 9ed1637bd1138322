"""The command line: help texts, exclusive options, printed lines, exit statuses."""

from __future__ import annotations

import ast
import inspect
import sys
import tomllib
from pathlib import Path

import pytest
from support.command_line import run
from support.field import write_class
from support.settings import mark_as_project, write_settings

from shoepair.commands import analyze, main
from shoepair.commands.collection import cli as collection_cli
from shoepair.commands.collection import overview
from shoepair.commands.history import cli as history_cli
from shoepair.commands.serving import cli as serving_cli
from shoepair.runtime import paths, project_root
from shoepair.runtime.errors import ShoepairError

COMMANDS = (
    *("add", "analyze", "batches", "check", "crossval", "diff", "doctor", "experiments", "export", "forget", "heaps"),
    *("log", "metrics", "remove", "repro", "serve", "suspects", "trace", "validate", "verify"),
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()


def exits_with(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """Run the program; return its exit status or error text."""
    monkeypatch.setattr(sys, "argv", ["shoepair", *words])
    with pytest.raises(SystemExit) as exit_error:
        main.main()
    return exit_error.value.code


def test_every_command_is_listed_with_what_it_does() -> None:
    listed = run("--help")
    assert listed.exit_code == 0
    assert set(COMMANDS) <= {line.strip(" │").split(" ")[0] for line in listed.output.splitlines()}
    assert len(main.app.registered_commands) + len(main.app.registered_groups) == len(COMMANDS)
    for name in COMMANDS:
        result = run(name, "--help")
        assert (result.exit_code, "Usage: " in result.output) == (0, True), name
    assert "Start with make repro" in run().output, "without a command"


@pytest.mark.parametrize(
    "words",
    [
        ["add"],
        ["repro", "--jobs", "many"],
        ["crossval", "--folds", "1"],
        ["crossval", "--repeats", "0"],
        ["export", "npy"],
        ["metrics", "more"],
        ["remove"],
        ["serve", "--max-requests", "65"],
        ["serve", "--port", "65536"],
        ["suspects", "--top", "0"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_call_prints_the_usage(words: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert "Usage: " in result.output


def test_user_error_is_one_message_and_a_bug_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = exits_with(monkeypatch, "metrics")
    assert message == "error: metrics/details.json: missing\nrun `dvc repro`, which computes them"
    paths.EVALUATION_DETAILS.mkdir(parents=True)
    message = exits_with(monkeypatch, "metrics")
    assert str(message).startswith(
        "error: metrics/details.json: Is a directory\nfree disk space or correct the permissions"
    )
    assert exits_with(monkeypatch, "--help") == 0
    monkeypatch.setattr(main, "app", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main.main()


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {"analyze"}))
def test_every_command_but_analyze_works_in_a_project_only(name: str, tmp_path: Path) -> None:
    words = {"add": ["x"], "check": ["x"], "diff": ["HEAD"], "export": ["onnx"], "remove": ["x"], "trace": ["x"]}.get(
        name, []
    )
    for path in project_root.PROJECT_FILES:
        path.unlink()
    error = run(name, *words).exception
    assert isinstance(error, ShoepairError)
    assert error.message.startswith(f"{tmp_path}: in no shoepair project")
    assert run("analyze", "parameters").exit_code == 0


def test_command_in_a_sub_folder_works_as_in_the_project_with_paths_from_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings()
    write_class(tmp_path / "docs/new", {"train": ("u001", "u002")})
    monkeypatch.chdir(tmp_path / "docs")
    assert ": valid, can be added as batch 'new'; nothing was changed" in run("add", "new", "--dry-run").output
    assert Path.cwd() == tmp_path
    monkeypatch.chdir(tmp_path / "docs/new")
    assert "as batch 'new'" in run("add", ".", "--dry-run").output
    monkeypatch.chdir(tmp_path / "stages")
    error = run("add", "new", "--dry-run").exception
    assert str(error).startswith("stages/new: no such folder or file")


def test_help_loses_no_word_in_brackets() -> None:
    assert "[serve]" in run("serve", "--help").output
    assert "[onnx]" in run("export", "onnx", "--help").output


def test_version_is_that_of_the_package() -> None:
    with Path(__file__).parents[3].joinpath("pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert run("--version").output == f"shoepair {version}\n"


# They load no library, or are called by a command that shows what goes on.
LIGHT = {"repro", "_order_by_names", "_to_array"}


def test_commands_load_libraries_while_they_show_what_goes_on() -> None:
    silent = []
    for module in (main, collection_cli, history_cli, serving_cli, analyze):
        tree = ast.parse(inspect.getsource(module))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            shown = {
                id(node)
                for block in ast.walk(function)
                if isinstance(block, ast.With) and any("show_status" in ast.unparse(item) for item in block.items)
                for node in ast.walk(block)
            }
            silent += [
                function.name
                for node in ast.walk(function)
                if isinstance(node, ast.ImportFrom)
                and (node.module or "").startswith("shoepair")
                and id(node) not in shown
            ]
    assert set(silent) - LIGHT == set()


def test_repro_adds_the_photos_then_runs_doctor_pipeline_and_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(
        collection_cli, "add_class", lambda source, name, **options: done.append((source, name, options))
    )
    monkeypatch.setattr(main, "_doctor", lambda: done.append("doctor"))
    monkeypatch.setattr(history_cli, "metrics", lambda: done.append("metrics"))
    monkeypatch.setattr("shoepair.commands.repro.run_pipeline", lambda targets, jobs: done.append((targets, jobs)))
    steps: list[object] = ["doctor", ([], None), "metrics"]
    assert run("repro").exit_code == 0
    assert done == steps
    done.clear()
    assert run("repro", "--jobs", "3", "pairs", "audit").exit_code == 0
    assert done == ["doctor", (["pairs", "audit"], 3)], "the metrics are not those of these stages"
    done.clear()
    assert run("repro", "--photos", "My Photos/Winter.zip").exit_code == 0
    assert done == [(Path("My Photos/Winter.zip"), "winter", {"replace_others": True}), *steps]


def test_interrupted_command_ends_as_at_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(overview, "batch_overview_rows", interrupted)
    monkeypatch.setattr(sys, "argv", ["shoepair", "batches"])
    with pytest.raises(KeyboardInterrupt):  # typer alone would exit without a word
        main.main()


@pytest.mark.parametrize("words", [["--plot", "a.svg"], ["--students", "2,5", "--plot", "a.png"]], ids=" ".join)
def test_plot_without_students_or_of_another_kind_is_refused_before_anything_is_trained(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()
    result = run("crossval", "cnn", *words)
    assert isinstance(result.exception, ShoepairError)
    assert "expected a name that ends with .svg, and --students" in str(result.exception)
