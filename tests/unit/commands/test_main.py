"""The command line: help texts, exclusive options, printed lines, exit statuses."""

from __future__ import annotations

import ast
import inspect
import json
import sys
import tomllib
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import typer
from support.field import write_class, write_student
from support.settings import mark_as_project, write_settings
from typer.testing import CliRunner, Result

from shoepair.commands import analyze, main
from shoepair.commands.collection import cli as collection_cli
from shoepair.commands.collection import overview
from shoepair.commands.collection.purging import purge
from shoepair.commands.collection.purging.search import Finding
from shoepair.commands.history import cli as history_cli
from shoepair.commands.history import verify
from shoepair.commands.history.verify import VerifyResult
from shoepair.commands.serving import cli as serving_cli
from shoepair.data import parquet_files, schemas
from shoepair.runtime import paths, project_lock, project_root
from shoepair.runtime.errors import ShoepairError

COMMANDS = (
    *("add", "analyze", "batches", "check", "crossval", "diff", "doctor", "experiments", "export", "forget", "heaps"),
    *("log", "metrics", "remove", "repro", "serve", "suspects", "trace", "validate", "verify"),
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()


def run(*words: str) -> Result:
    return CliRunner().invoke(main.app, words)


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
        [],
        ["u001"],
        ["--batch", "a"],
        ["--purge", "u001", "--batch", "a"],
        ["--purge", "u001"],
        ["--purge", "--batch", "a"],
        ["u001", "--batch", "a", "--remote", "store"],
        ["u001", "--batch", "a", "--dry-run"],
        ["--yes"],
    ],
)
def test_forget_takes_student_and_batch_or_purge_only(words: list[str]) -> None:
    error = run("forget", *words).exception
    assert isinstance(error, ShoepairError)
    assert str(error).splitlines() == [
        "forget: expected `shoepair forget STUDENT --batch BATCH`, or `shoepair forget --purge`",
        "first withdraw the student, then `dvc repro`, then purge",
    ]


@pytest.mark.parametrize(
    ("words", "warnings", "left", "status", "executed"),
    [
        ([], [], [], 0, True),
        ([], [], [Finding("project folder", "picture", Path("me.jpg"), "may show them")], 1, True),
        ([], ["others use it"], [], 1, False),
        (["--yes"], ["others use it"], [], 0, True),
        (["--dry-run"], ["others use it"], [], 0, False),
    ],
    ids=["all deleted", "something left", "others concerned", "told to", "dry run"],
)
def test_purge_asks_before_shared_files_go_and_exits_with_1_while_something_is_left(
    words: list[str],
    warnings: list[str],
    left: list[Finding],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    *,
    executed: bool,
) -> None:
    done: list[str] = []
    counts = Counter({("remote 'store'", "photo"): 6})
    plan = SimpleNamespace(counts=counts, doomed=[], unproven=left, remaining=["other clones"], warnings=warnings)

    def execute() -> Path:
        done.append("executed")
        return Path("reports/withdrawals/1.md")

    plan.execute = execute
    monkeypatch.setattr(purge, "plan_purge", lambda _remotes: nullcontext(plan))
    monkeypatch.setattr(project_lock, "hold_alone", lambda *_, **__: nullcontext())
    result = run("forget", "--purge", *words)
    assert (result.exit_code, bool(done)) == (status, executed)
    assert "remote 'store': 6 x photo" in result.output
    assert ("receipt: reports/withdrawals/1.md" in result.output) == executed
    assert ("other clones" in result.output) == (executed or "--dry-run" in words)


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


def test_metrics_that_are_out_of_date_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from shoepair.evaluation import metric_files
    from shoepair.reports import terminal_tables

    monkeypatch.setattr(metric_files, "read_details", lambda _fix: {"best": "cnn"})
    monkeypatch.setattr(terminal_tables, "evaluation_blocks", lambda _details: ["a table"])
    write_settings("winter", "late")
    assert run("metrics").output == "a table\n"
    Path("dvc.lock").write_text(
        "stages:\n  evaluate: {}\n  split:\n    params:\n      data/batches.yaml:\n        batches: [winter]\n"
    )
    assert (
        run("metrics").output.splitlines()[2].startswith("out of date: these figures are of before: batch 'late' is")
    )
    assert json.loads(run("metrics", "--json").output) == {"best": "cnn", "out_of_date": ["batch 'late' is new"]}


def test_nothing_read_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    from shoepair.commands.history import versions

    monkeypatch.setattr(verify, "verify_file_digests", lambda: VerifyResult(0, 0))
    assert str(run("verify").exception).startswith("verify: 0 recorded files and 0 cached files read, so nothing is")
    monkeypatch.setattr(versions, "list_version_records", list)
    assert str(run("log").exception).startswith("log: no commit of this project has records of photos")


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


def test_dry_run_accepts_a_valid_class_and_rejects_one_with_an_error(tmp_path: Path) -> None:
    write_settings()
    write_class(tmp_path / "new", {"train": ("u001", "u002")})
    (tmp_path / "new/train/Thumbs.db").write_bytes(b"x")
    lines = run("add", "new", "--name", "a", "--dry-run").output.splitlines()
    assert lines[-1] == (
        "2 students, 12 photos, 1 other file ignored: valid, can be added as batch 'a'; nothing was changed"
    )
    assert lines[-2] == "ignored, not copied: train/Thumbs.db"
    assert lines[-3] == "students: 2 train"
    assert all(line.split(": ")[0] in {"blurred", "dark", "low contrast", "overexposed"} for line in lines[:-3])
    value = json.loads(run("add", "new", "--name", "a", "--dry-run", "--json").output)
    assert {name: value[name] for name in ("batch", "accepted", "students", "drift", "dry_run")} == {
        **{"batch": "a", "accepted": 12, "students": 2, "drift": [], "dry_run": True}
    }
    (tmp_path / "new/train/u001_1_left_m.jpg").unlink()
    assert isinstance(run("add", "new", "--name", "a", "--dry-run").exception, ShoepairError)


def test_validate_exits_with_1_if_anything_is_quarantined_also_with_json() -> None:
    write_settings("a")
    folder = paths.raw_path("a") / "train"
    photos = write_student(folder, "u001") + write_student(folder, "u002")
    valid = run("validate")
    assert (valid.exit_code, valid.output.splitlines()[1].split()) == (0, ["a", "12", "12", "0", "0", "2", "0"])
    photos[0].unlink()
    invalid = run("validate", "--json")
    assert invalid.exit_code == 1
    (report,) = json.loads(invalid.output)
    assert report["reasons"] == {"u001": ["u001: 5 photos, expected 6 (missing: pair 1 left)"]}
    assert run("validate", "--md").output.splitlines()[3] == "| all | 11 | 6 | 5 | 0 | 1 | 1 |"


def test_suspects_prints_the_requested_number() -> None:
    chances = {"issue_probability": 0.5, "mispaired": 0.5, "swapped": 0.0, "not_a_shoe": 0.0}
    rows = [
        {"batch": "a", "student": f"u{number}", "rank": number, **chances, "reason": "reason"} for number in (1, 2, 3)
    ]
    parquet_files.write_table(
        paths.LABEL_ISSUES, pd.DataFrame(rows)[list(schemas.LabelIssues.to_schema().columns)], schemas.LabelIssues
    )
    suspects = json.loads(run("suspects", "--top", "2", "--json").output)
    assert [(row["student"], row["rank"]) for row in suspects] == [("u1", 1), ("u2", 2)]
    assert len(run("suspects").output.splitlines()) == 1 + 3


@pytest.mark.parametrize(
    ("problems", "count"), [(["a: missing"], "1 problem"), (["a: missing", "b: changed"], "2 problems")]
)
def test_verification_counts_what_was_read_and_lists_every_problem(
    monkeypatch: pytest.MonkeyPatch, problems: list[str], count: str
) -> None:
    monkeypatch.setattr(verify, "verify_file_digests", lambda: VerifyResult(7, 8))
    assert run("verify").output == "7 recorded files and 8 cached files read: all match the records\n"
    monkeypatch.setattr(verify, "verify_file_digests", lambda: VerifyResult(7, 8, problems))
    as_json = run("verify", "--json")
    assert (as_json.exit_code, json.loads(as_json.output)["problems"]) == (1, problems)
    error = run("verify").exception
    assert isinstance(error, ShoepairError)
    assert error.message == f"verify: {count}; 7 recorded files and 8 cached files read"
    assert list(error.problems) == problems


def test_no_to_a_question_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(typer, "confirm", lambda _question: True)
    collection_cli._ask_or_end("delete it?", "nothing was deleted")
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(typer, "confirm", lambda _question: False)
    with pytest.raises(typer.Exit) as ended:
        collection_cli._ask_or_end("delete it?", "nothing was deleted")
    assert ended.value.exit_code == 1
    assert capsys.readouterr().out == "nothing was deleted\n"


def test_ctrl_c_at_a_question_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_question: str) -> bool:
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", stop)
    with pytest.raises(KeyboardInterrupt):
        collection_cli._ask_or_end("delete it?", "nothing was deleted")


@pytest.mark.parametrize("words", [["--plot", "a.svg"], ["--students", "2,5", "--plot", "a.png"]], ids=" ".join)
def test_plot_without_students_or_of_another_kind_is_refused_before_anything_is_trained(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()
    result = run("crossval", "cnn", *words)
    assert isinstance(result.exception, ShoepairError)
    assert "expected a name that ends with .svg, and --students" in str(result.exception)
