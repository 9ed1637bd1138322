"""Ctrl-C: the line and the status of a program, and what its processes see of it."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from shoepair.runtime import interruption


@pytest.fixture(autouse=True)
def _handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test changes what pytest does at Ctrl-C."""
    monkeypatch.setattr(signal, "signal", lambda number, handler: set_handlers.append((number, handler)))
    monkeypatch.setattr(interruption, "_program_line", "")
    set_handlers.clear()


set_handlers: list[tuple[int, object]] = []


def test_interrupted_block_cleans_up_and_ends_with_one_line_and_130(capsys: pytest.CaptureFixture[str]) -> None:
    cleaned = []

    def work() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            cleaned.append(True)

    with pytest.raises(SystemExit) as ended, interruption.end_with_line("stopped; nothing was added"):
        work()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stopped; nothing was added\n"
    assert cleaned == [True]
    assert set_handlers == [], "not a program: the handlers are another's"


def test_block_that_is_not_interrupted_keeps_its_result_and_error() -> None:
    with interruption.end_with_line("stopped"):
        pass
    with pytest.raises(ZeroDivisionError), interruption.end_with_line("stopped"):
        1 / 0  # noqa: B018


def test_program_ends_at_once_while_it_loads_cleans_up_while_it_works_and_ignores_ctrl_c_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interruption.handle_imports("stopped")
    with interruption.end_with_line("stopped"):
        pass
    handlers = [handler for number, handler in set_handlers if number == signal.SIGINT]
    assert handlers == [interruption._exit_at_once, signal.default_int_handler, signal.SIG_IGN]
    written: list[object] = []
    monkeypatch.setattr(os, "write", lambda *words: written.append(words))
    monkeypatch.setattr(os, "_exit", written.append)
    interruption._exit_at_once(signal.SIGINT, None)
    assert written == [(2, b"stopped\n"), 130]


def test_program_that_was_started_deaf_stays_so_and_a_spawned_process_becomes_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)  # as by `nohup` or `&`
    interruption.handle_imports("stopped")
    assert set_handlers == []
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "spawn_main()", "--multiprocessing-fork"])
    interruption.handle_imports("stopped")
    assert set_handlers == [(signal.SIGINT, signal.SIG_IGN)]


@pytest.mark.parametrize("arrives", [False, True])
def test_what_is_started_in_the_block_does_not_get_ctrl_c(monkeypatch: pytest.MonkeyPatch, *, arrives: bool) -> None:
    """A library's thread may receive it in the block: then it takes effect behind."""
    raised: list[int] = []
    monkeypatch.setattr("multiprocessing.resource_tracker.ensure_running", lambda: None)
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with interruption.keep_from_children():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        ((_, remember),) = set_handlers
        assert callable(remember)
        if arrives:
            remember(signal.SIGINT, None)
        assert raised == []
    assert raised == [signal.SIGINT] * arrives
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
