"""The `dvc` of a stage: how it is found, and what happens when it dies."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from support.settings import write

from shoepair.runtime import dvc_watch


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Dvc:
    """A process that is asked three times whether it lives."""

    def __init__(self, *states: str) -> None:
        self.states = [*states]

    def is_running(self) -> bool:
        return len(self.states) > 1 or self.states[0] != "gone"

    def status(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def test_dvc_is_the_ancestor_that_holds_dvcs_locks() -> None:
    parent = {"pid": os.getppid(), "cmd": "dvc repro"}
    other = {"pid": 2**22 + 1, "cmd": "dvc repro"}
    for locks, found in (
        ({"read": {"/p/stages/train.py": [other, parent]}, "write": {}}, os.getppid()),
        ({"write": {"/p/models/cnn.json": parent}}, os.getppid()),
        ({"read": {"/p/stages/train.py": [other]}}, None),
        ({}, None),
    ):
        write(dvc_watch.DVC_LOCKS, json.dumps(locks))
        dvc = dvc_watch.find_dvc()
        assert (dvc and dvc.pid) == found


def test_locks_that_another_dvc_is_writing_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = json.dumps({"write": {"/p/models/cnn.json": {"pid": os.getppid(), "cmd": "dvc repro"}}})
    write(dvc_watch.DVC_LOCKS, sound[:20])
    monkeypatch.setattr(time, "sleep", lambda _seconds: write(dvc_watch.DVC_LOCKS, sound))
    dvc = dvc_watch.find_dvc()
    assert dvc
    assert dvc.pid == os.getppid()


@pytest.mark.parametrize("content", ["", '{"read": {"/a": [{"pid": 1, ', None], ids=["empty", "torn", "missing"])
def test_locks_that_cannot_be_read_name_nobody(monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    monkeypatch.setattr(dvc_watch, "READ_SECONDS", 0.0)
    if content is not None:
        write(dvc_watch.DVC_LOCKS, content)
    assert dvc_watch.find_dvc() is None


@pytest.mark.parametrize("last", ["gone", psutil.STATUS_ZOMBIE])
def test_death_of_dvc_interrupts_the_main_thread_and_then_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    done: list[object] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: done.append(seconds))
    monkeypatch.setattr(signal, "pthread_kill", lambda *words: done.append(words))
    monkeypatch.setattr(os, "write", lambda *words: done.append(words))
    monkeypatch.setattr(os, "_exit", done.append)
    dvc_watch._watch(Dvc(psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING, last))
    assert done == [
        dvc_watch.POLL_SECONDS,
        dvc_watch.POLL_SECONDS,
        (2, b"the `dvc` of this stage was killed: "),
        (threading.main_thread().ident, signal.SIGINT),
        dvc_watch.END_SECONDS,
        130,
    ]


def test_stage_that_dvc_did_not_start_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(dvc_watch.STAGE_VARIABLE, raising=False)
    monkeypatch.setattr(dvc_watch, "find_dvc", lambda: pytest.fail("not asked for"))
    dvc_watch.end_stage_with_dvc()
