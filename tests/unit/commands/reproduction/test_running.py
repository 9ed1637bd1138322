"""What is done with the ends of stages, and with those that run when one fails or Ctrl-C comes; without processes."""

from __future__ import annotations

import io
import os
import queue
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from shoepair.commands.reproduction import running
from shoepair.commands.reproduction.plan import PlannedStage
from shoepair.commands.reproduction.running import run_stages
from shoepair.commands.reproduction.schedule import Schedule
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_reports import MARK


class Shown:
    """A display that notes what it gets."""

    def __init__(self, *, has_bars: bool = False) -> None:
        self.has_bars = has_bars
        self.lines: list[str] = []
        self.bars: list[tuple[Any, ...]] = []

    def start(self, name: str) -> None:
        self.bars.append((name,))

    def advance(self, *values: Any) -> None:
        self.bars.append(values)

    def end(self, _name: str, lines: list[str]) -> None:
        self.lines += lines

    def print_lines(self, lines: list[str]) -> None:
        self.lines += lines


class Process:
    """A process that prints what the script has for its stage, one text for each start, and ends."""

    script: dict[str, list[str]]
    environments: list[dict[str, str]]

    def __init__(self, words: list[str], env: dict[str, str], **_options: object) -> None:
        self.environments.append(env)
        self.stdin = io.BytesIO()
        text = self.script[words[-1]].pop(0)
        self.stdout = io.BytesIO(text.encode())

    def wait(self) -> int:
        return 0


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    monkeypatch.setattr(Process, "script", texts, raising=False)
    monkeypatch.setattr(Process, "environments", [], raising=False)
    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(running, "BUSY_SECONDS", 0.0)
    return texts


def end(kind: str = "done", reason: str = "") -> str:
    return f"{MARK}end\t{kind}\t{reason}\n"


def run(shown: Shown, *stages: tuple[str, ...], shares_cores: bool = True) -> None:
    plan = [PlannedStage(name, frozenset(needs), (), (f"/{name}",)) for name, *needs in stages]
    schedule = Schedule(plan, 4, fills_last_round=False)
    run_stages(schedule, shown, os.environ, shares_cores=shares_cores)  # type: ignore[arg-type]


def test_lines_of_a_stage_are_shown_and_one_without_lines_says_how_it_ended(script: dict[str, list[str]]) -> None:
    script |= {"pairs": [f"pairs: 12\nwarning\n{end()}"], "train@cnn": [end("unchanged")], "photos.dvc": [end()]}
    shown = Shown()
    run(shown, ("photos.dvc",), ("pairs", "photos.dvc"), ("train@cnn", "pairs"))
    assert shown.lines == ["photos.dvc: done", "pairs: 12", "warning", "train@cnn: unchanged"]
    assert "SHOEPAIR_STAGE_REPORTS" not in Process.environments[0]
    assert Process.environments[0]["SHOEPAIR_CORES"] == "4"


def test_progress_moves_the_bar(script: dict[str, list[str]]) -> None:
    script["train"] = [f"open line{MARK}progress\t3\t80\tepoch\tvalid 90 %\n{end()}"]
    shown = Shown(has_bars=True)
    run(shown, ("train",), shares_cores=False)
    assert shown.bars == [("train",), ("train", 3, 80, "epoch", "valid 90 %")]
    assert shown.lines == ["open line"]
    assert Process.environments[0]["SHOEPAIR_STAGE_REPORTS"]
    assert "SHOEPAIR_CORES" not in Process.environments[0]


def test_failure_is_told_once_at_the_end_with_the_message_of_the_stage(script: dict[str, list[str]]) -> None:
    script["a"] = [f"starting\nerror: data/raw/x: 2 problems\n  u1: bad\nfix it\n{end('failed', 'failed to run: a')}"]
    script["b"] = [f"b: fine\n{end()}"]
    shown = Shown()
    with pytest.raises(ShoepairError) as failed:
        run(shown, ("a",), ("b",), ("c", "a"), ("d", "c"))
    assert str(failed.value).splitlines() == [
        "stage a failed; what needs it did not run: c, d",
        "  data/raw/x: 2 problems",
        "      u1: bad",
        "    fix it",
        running.FIX,
    ]
    assert shown.lines == ["b: fine"]


def test_several_failures_are_told_by_name(script: dict[str, list[str]]) -> None:
    script["a"] = [f"Traceback\n{end('failed', 'failed to run: a, exited with 1')}"]
    script["b"] = ["half a line"]
    with pytest.raises(ShoepairError) as failed:
        run(Shown(), ("a",), ("b",))
    first, *lines = str(failed.value).splitlines()
    assert first in {"2 stages failed: a, b", "2 stages failed: b, a"}
    assert {"  a: Traceback", "    failed to run: a, exited with 1", "  b: half a line"} < set(lines)
    assert "    its process died" in lines


def test_killed_process_is_said_to_be(script: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    script["a"] = [""]
    monkeypatch.setattr(Process, "wait", lambda _self: -9)
    with pytest.raises(ShoepairError, match=r"stage a failed\n  its process died by signal 9; check the system log"):
        run(Shown(), ("a",))


def test_stage_whose_files_another_dvc_uses_is_tried_again_and_told_once(script: dict[str, list[str]]) -> None:
    busy = end("busy", "(PID 7): dvc repro")
    script["a"] = [busy, busy, f"a: made\n{end()}"]
    shown = Shown()
    run(shown, ("a",))
    assert shown.lines == ["a: waits for (PID 7): dvc repro", "a: made"]


def test_ctrl_c_ends_all_stages_and_waits_for_them(
    script: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Stage:
        def __init__(self, name: str, *_others: object) -> None:
            self.name = name

        def stop(self) -> None:
            done.append(f"stop {self.name}")

        def join(self) -> None:
            done.append(f"join {self.name}")

    def interrupt(_events: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "_StageProcess", Stage)
    monkeypatch.setattr(running, "_next_event", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(Shown(), ("a",), ("b",), ("c", "a"))
    assert done == ["stop a", "stop b", "join a", "join b"]
    assert script == {}


def test_process_is_waited_for_whatever_signals_come(
    script: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    script["a"] = [end("busy"), end("failed")]
    monkeypatch.setattr(running, "BUSY_SECONDS", 1000.0)
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    process = running._StageProcess("a", os.environ, events)
    assert events.get(timeout=10)[1] == ["busy", "another `dvc` command"]
    join: Callable[..., None] = process._thread.join
    interruptions = [KeyboardInterrupt(), KeyboardInterrupt()]

    def disturbed(timeout: float) -> None:
        if interruptions:
            raise interruptions.pop()
        join(timeout)

    monkeypatch.setattr(process._thread, "join", disturbed)
    process.stop()
    process.join()
    assert not interruptions
    assert events.get(timeout=10)[1].kind == "busy"
    assert len(script["a"]) == 1, "stopped: it is not tried again"
