"""How the process of one stage reports its end, and ends with the program that started it; without the real DVC."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.stage.exceptions import StageCmdFailedError

from shoepair.commands.reproduction import stage_process
from shoepair.runtime import stage_reports


class Repository:
    """DVC's repository, whose one stage ends as told."""

    result: list[str]
    error: BaseException | None

    def __init__(self, *, _wait_for_lock: bool) -> None:
        assert _wait_for_lock

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def reproduce(self, targets: list[str], *, single_item: bool, repro_fn: Callable[..., Any]) -> list[str]:
        assert (targets, single_item, repro_fn) == (["train@cnn"], True, stage_process._reproduce_and_record)
        if self.error:
            msg = "failed to reproduce"
            raise ReproductionError(msg) from self.error
        return self.result


FULL = OSError(errno.ENOSPC, "No space left on device", "models/cnn")
BUSY = LockError("'/x' is busy, it is being blocked by:\n  (PID 7): dvc repro\n  (PID 8): dvc push\n\nIf there")
ENDS = [
    (["stage"], None, "done", ""),
    ([], None, "unchanged", ""),
    ([], StageCmdFailedError("python -m x", -9), "failed", "failed to run: python -m x, exited with -9"),
    ([], DvcException("output 'x' does not exist"), "failed", "DVC: output 'x' does not exist"),
    ([], FULL, "failed", "DVC: models/cnn: No space left on device"),
    ([], BUSY, "busy", "(PID 7): dvc repro, (PID 8): dvc push"),
]


@pytest.mark.parametrize(("result", "error", "kind", "reason"), ENDS)
def test_end_of_a_stage_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, result: list[str], error: BaseException | None, kind: str, reason: str
) -> None:
    monkeypatch.setattr(stage_process, "Repo", Repository)
    monkeypatch.setattr(Repository, "result", result, raising=False)
    monkeypatch.setattr(Repository, "error", error, raising=False)
    found = stage_process.reproduce("train@cnn")
    assert found[0] == kind
    assert found[1].startswith(reason)


def test_error_that_is_met_before_the_stage_is_reported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_options: object) -> None:
        msg = "you are not inside of a DVC repository"
        raise DvcException(msg)

    monkeypatch.setattr(stage_process, "Repo", refuse)
    assert stage_process.reproduce("x") == ("failed", "DVC: you are not inside of a DVC repository")


class Stage:
    """A stage whose entry fills the disk."""

    cmd = "python -m x"

    def reproduce(self, **_options: object) -> Stage:
        return self

    def dump(self, *, update_pipeline: bool) -> None:
        assert not update_pipeline
        stage_process.LOCK_FILE.write_text("")
        raise FULL


def test_lock_file_is_not_left_half_written_by_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage_process.LOCK_FILE.write_text("schema: '2.0'\n")
    with pytest.raises(OSError, match="No space left"):
        stage_process._reproduce_and_record(Stage())
    assert stage_process.LOCK_FILE.read_text() == "schema: '2.0'\n"


def test_stage_that_waited_for_the_lock_while_all_was_stopped_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()
    stopped.set()
    monkeypatch.setattr(stage_process, "_stopped", stopped)
    with pytest.raises(StageCmdFailedError):
        stage_process._reproduce_and_record(Stage())


class EnoughError(Exception):
    """Ends the loop of a test."""


def test_when_the_pipe_to_the_parent_closes_each_process_of_the_stage_is_interrupted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[int, int]] = []
    polls = threading.Semaphore(0)

    class Child:
        def __init__(self, pid: int) -> None:
            self.pid = pid

        def send_signal(self, number: int) -> None:
            sent.append((self.pid, number))

    class Process:
        def children(self, *, recursive: bool) -> list[Child]:
            assert recursive
            return [Child(1), Child(2)]

    def sleep(_seconds: float) -> None:
        polls.release()
        if len(sent) > 5 or polls._value > 2:
            raise EnoughError

    def end_stage_with_parent() -> None:
        with contextlib.suppress(EnoughError):
            stage_process._end_stage_with_parent()

    reading, writing = os.pipe()
    monkeypatch.setattr(stage_process, "_stopped", threading.Event())
    monkeypatch.setattr(os, "read", lambda _file, size, read=os.read: read(reading, size))
    monkeypatch.setattr(psutil, "Process", Process)
    monkeypatch.setattr(time, "sleep", sleep)
    thread = threading.Thread(target=end_stage_with_parent)
    thread.start()
    assert sent == []
    os.close(writing)
    thread.join(10)
    os.close(reading)
    assert sent == [(1, signal.SIGINT), (2, signal.SIGINT)]


def test_main_names_itself_and_reports(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["stage_process.py", "train@cnn"])
    monkeypatch.setattr(stage_process, "_end_stage_with_parent", lambda: None)
    monkeypatch.setattr(stage_process, "reproduce", lambda name: ("failed", f"{name}:\nfull"))
    stage_process.main()
    assert sys.argv == ["shoepair repro", "train@cnn"]
    assert stage_reports.parse(capfd.readouterr().err) == ["end", "failed", "train@cnn: full"]
