"""`shoepair repro`: what is run with how many cores, and which Python the stages get; without the real DVC."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shoepair.commands import repro
from shoepair.commands.reproduction import lock_entries, plan, running, schedule
from shoepair.commands.reproduction.plan import PlannedStage
from shoepair.runtime.errors import ShoepairError


def pretend(monkeypatch: pytest.MonkeyPatch, *, affected: bool) -> list[dict[str, Any]]:
    """Replace the plan and what runs it; return where what it is told is noted."""
    told: list[dict[str, Any]] = []
    stages = [PlannedStage("pairs", frozenset(), is_affected=affected)]

    def plan_targets(targets: list[str], _print_line: object) -> list[PlannedStage]:
        told.append({"targets": targets})
        return stages

    monkeypatch.setattr(plan, "read_plan", plan_targets)
    monkeypatch.setattr(repro, "stage_environment", dict)
    monkeypatch.setattr(repro, "count_cores", lambda: 4)

    def make(stages: object, cores: int, *, fills_last_round: bool) -> None:
        told.append({"stages": stages, "cores": cores, "fills_last_round": fills_last_round})

    monkeypatch.setattr(schedule, "Schedule", make)
    monkeypatch.setattr(lock_entries, "keep_order", lambda names, _print_line: contextlib.nullcontext(names))
    monkeypatch.setattr(running, "run_stages", lambda *_values, **options: told.append(options))
    return told


def test_with_nothing_to_do_no_process_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = pretend(monkeypatch, affected=False)
    repro.run_pipeline(["pairs"])
    assert told == [{"targets": ["pairs"]}]
    assert capsys.readouterr().out == "Data and pipelines are up to date.\n"


@pytest.mark.parametrize(
    ("jobs", "variables", "cores", "fills", "shares"),
    [
        (None, {}, 4, True, True),
        (3, {}, 3, False, True),
        (None, {"SHOEPAIR_RANKS": "2"}, 1, False, False),
        (None, {"SHOEPAIR_ENGINE": "ray"}, 1, False, False),
        (2, {"SHOEPAIR_ENGINE": "ray"}, 2, False, False),
        (None, {"SHOEPAIR_RANKS": "1", "SHOEPAIR_ENGINE": "local"}, 4, True, True),
    ],
)
def test_stages_get_the_cores_of_this_machine_unless_each_uses_several_processes_itself(
    monkeypatch: pytest.MonkeyPatch, jobs: int | None, variables: dict[str, str], cores: int, fills: bool, shares: bool
) -> None:
    told = pretend(monkeypatch, affected=True)
    for name in ("SHOEPAIR_RANKS", "SHOEPAIR_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    repro.run_pipeline(jobs=jobs)
    assert (told[1]["cores"], told[1]["fills_last_round"]) == (cores, fills)
    assert told[2] == {"shares_cores": shares}


@pytest.mark.parametrize("jobs", [0, -1])
def test_number_of_jobs_below_one_is_refused(jobs: int) -> None:
    with pytest.raises(ShoepairError, match=rf"--jobs {jobs}: expected 1 or more\nleave it out"):
        repro.run_pipeline(jobs=jobs)


@pytest.mark.parametrize(
    ("right", "is_changed"), [("first on the path", False), ("in this environment", True), ("nowhere", None)]
)
def test_stages_get_this_python(monkeypatch: pytest.MonkeyPatch, right: str, is_changed: bool | None) -> None:
    own = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", "/elsewhere")

    def ask(words: list[str], env: Mapping[str, str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        is_right = right == "first on the path" or (right == "in this environment" and env["PATH"].startswith(own))
        return subprocess.CompletedProcess(words, 0, (sys.prefix if is_right else "/usr").encode() + b"\r\n", b"")

    monkeypatch.setattr(shutil, "which", lambda name, path: f"{path}/{name}")
    monkeypatch.setattr(subprocess, "run", ask)
    if is_changed is None:
        with pytest.raises(ShoepairError, match="no program `python`, with which DVC starts the stages"):
            repro.stage_environment()
    else:
        expected = os.pathsep.join([own, "/elsewhere"]) if is_changed else "/elsewhere"
        assert repro.stage_environment()["PATH"] == expected
