"""The commands on batches and students: what they ask, print, and end with."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import typer
from support.command_line import run
from support.field import write_class, write_student
from support.settings import mark_as_project, write_settings

from shoepair.commands.collection import cli as collection_cli
from shoepair.commands.collection.purging import purge
from shoepair.commands.collection.purging.search import Finding
from shoepair.data import parquet_files, schemas
from shoepair.runtime import paths, project_lock
from shoepair.runtime.errors import ShoepairError


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()


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
