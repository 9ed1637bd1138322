"""Reports of stages: one line each, told apart from lines for people."""

from __future__ import annotations

import os

import pytest

from shoepair.runtime import stage_reports


def test_report_is_read_as_it_was_written(capfd: pytest.CaptureFixture[str]) -> None:
    stage_reports.write("progress", 3, "valid\t90 %\nbest")
    line = capfd.readouterr().err
    assert line.endswith("\n")
    assert stage_reports.parse(line) == ["progress", "3", "valid 90 % best"]


def test_line_for_people_is_no_report() -> None:
    assert stage_reports.parse("progress\t3\n") == []


def test_reader_that_was_killed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(os, "write", refuse)
    stage_reports.write("progress", 3)


@pytest.mark.parametrize(("value", "wanted"), [(None, False), ("", False), ("1", True)])
def test_reports_are_wanted_if_the_variable_says_so(
    monkeypatch: pytest.MonkeyPatch, value: str | None, wanted: bool
) -> None:
    monkeypatch.delenv(stage_reports.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(stage_reports.VARIABLE, value)
    assert stage_reports.are_wanted() is wanted
