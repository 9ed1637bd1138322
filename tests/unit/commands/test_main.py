"""The commands' own part: their helps, options that exclude each other, what they print, how they exit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.field import write_class, write_student
from support.settings import write_settings
from typer.testing import CliRunner, Result

from shoepair.commands import main
from shoepair.commands.history.verify import Report
from shoepair.data import schemas, tables
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

COMMANDS = (
    *("add", "analyze", "batches", "check", "crossval", "diff", "doctor", "export", "forget", "log", "metrics"),
    *("remove", "serve", "suspects", "validate", "verify"),
)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> Result:
    return CliRunner().invoke(main.app, words)


def exits_with(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """What the program says and exits with."""
    monkeypatch.setattr(sys, "argv", ["shoepair", *words])
    with pytest.raises(SystemExit) as done:
        main.main()
    return done.value.code


def test_every_command_is_listed_with_what_it_does() -> None:
    listed = run("--help")
    assert listed.exit_code == 0
    assert set(COMMANDS) <= {line.strip(" │").split(" ")[0] for line in listed.output.splitlines()}
    assert len(main.app.registered_commands) + len(main.app.registered_groups) == len(COMMANDS)
    for name in COMMANDS:
        told = run(name, "--help")
        assert (told.exit_code, "Usage: " in told.output) == (0, True), name
    assert "Start with `make repro`" in run().output, "no command at all is answered with the same help"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["u001"],
        ["--batch", "a"],
        ["--purge", "u001", "--batch", "a"],
        ["--purge", "u001"],
        ["--purge", "--batch", "a"],
    ],
)
def test_forgetting_is_withdrawing_a_student_of_a_batch_or_purging_and_nothing_between(words: list[str]) -> None:
    error = run("forget", *words).exception
    assert isinstance(error, ShoepairError)
    assert str(error).splitlines() == [
        "forget: expected `shoepair forget STUDENT --batch BATCH`, or `shoepair forget --purge`",
        "first withdraw the student, then `dvc repro`, then purge",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["add", "photos"],
        ["crossval", "--folds", "1"],
        ["crossval", "--repeats", "0"],
        ["export", "npy"],
        ["metrics", "more"],
        ["remove"],
        ["serve", "--at-once", "65"],
        ["serve", "--port", "65536"],
        ["suspects", "--top", "0"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_call_that_is_none_is_answered_with_the_usage(words: list[str]) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert "Usage: " in done.output


def test_mistake_of_a_user_is_one_message_and_of_a_developer_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = exits_with(monkeypatch, "metrics")
    assert said == "error: metrics/details.json: missing\nrun `dvc repro`, which measures them"
    paths.EVALUATION_DETAILS.mkdir(parents=True)
    said = exits_with(monkeypatch, "metrics")
    assert str(said).startswith("error: metrics/details.json: Is a directory\nmake room, or put the rights in order")
    assert exits_with(monkeypatch, "--help") == 0
    monkeypatch.setattr(main, "app", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main.main()


def test_class_without_faults_and_drift_could_be_a_batch_and_one_with_a_fault_could_not(tmp_path: Path) -> None:
    write_settings()
    write_class(tmp_path / "new", {"train": ("u001", "u002")})
    (tmp_path / "new/train/Thumbs.db").write_bytes(b"x")
    lines = run("add", "new", "--name", "a", "--dry-run").output.splitlines()
    assert lines[-1] == (
        "2 students, 12 photos, 1 system files ignored: in order, could be batch 'a'; nothing was changed"
    )
    assert all(line.split(": ")[0] in {"blurred", "dark", "low contrast", "overexposed"} for line in lines[:-1])
    (tmp_path / "new/train/u001_1_left_m.jpg").unlink()
    assert isinstance(run("add", "new", "--name", "a", "--dry-run").exception, ShoepairError)


def test_validation_exits_with_1_if_anything_is_set_aside_and_tells_programs_the_same() -> None:
    write_settings("a")
    folder = paths.raw("a") / "train"
    photos = write_student(folder, "u001") + write_student(folder, "u002")
    sound = run("validate")
    assert (sound.exit_code, sound.output.splitlines()[1].split()) == (0, ["a", "12", "12", "0", "0", "2", "0"])
    photos[0].unlink()
    faulty = run("validate", "--json")
    assert faulty.exit_code == 1
    (report,) = json.loads(faulty.output)
    assert report["reasons"] == {"u001": ["u001: 5 photos, expected 6 (missing: pair 1 left)"]}
    assert run("validate", "--md").output.splitlines()[3] == "| all | 11 | 6 | 5 | 0 | 1 | 1 |"


def test_as_many_suspects_are_listed_as_were_asked_for() -> None:
    chances = {"suspicion": 0.5, "mispaired": 0.5, "swapped": 0.0, "not_a_shoe": 0.0}
    rows = [{"batch": "a", "student": f"u{number}", "rank": number, **chances, "why": "why"} for number in (1, 2, 3)]
    tables.write(paths.SUSPECTS, pd.DataFrame(rows)[list(schemas.Suspects.to_schema().columns)], schemas.Suspects)
    got = json.loads(run("suspects", "--top", "2", "--json").output)
    assert [(row["student"], row["rank"]) for row in got] == [("u1", 1), ("u2", 2)]
    assert len(run("suspects").output.splitlines()) == 1 + 3


@pytest.mark.parametrize(
    ("problems", "count"), [(["a: missing"], "1 problem"), (["a: missing", "b: changed"], "2 problems")]
)
def test_verification_counts_what_was_read_and_lists_every_problem(
    monkeypatch: pytest.MonkeyPatch, problems: list[str], count: str
) -> None:
    monkeypatch.setattr(main, "verify_records", lambda: Report(7, 8))
    assert run("verify").output == "7 recorded files and 8 cached files read: all as recorded\n"
    monkeypatch.setattr(main, "verify_records", lambda: Report(7, 8, problems))
    error = run("verify").exception
    assert isinstance(error, ShoepairError)
    assert error.found == f"verify: {count}; 7 recorded files and 8 cached files read"
    assert list(error.problems) == problems
