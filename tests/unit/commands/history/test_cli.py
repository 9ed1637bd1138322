"""The commands on versions and results: what they print when something is missing, or out of date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import run
from support.settings import mark_as_project, write_settings

from shoepair.commands.history import verify, versions
from shoepair.commands.history.verify import VerifyResult
from shoepair.evaluation import metric_files
from shoepair.reports import terminal_tables
from shoepair.runtime.errors import ShoepairError


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()


def test_metrics_that_are_out_of_date_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr(verify, "verify_file_digests", lambda: VerifyResult(0, 0))
    assert str(run("verify").exception).startswith("verify: 0 recorded files and 0 cached files read, so nothing is")
    monkeypatch.setattr(versions, "list_version_records", list)
    assert str(run("log").exception).startswith("log: no commit of this project has records of photos")


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
