"""SIGTERM and SIGHUP as an orderly end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from shoepair.runtime import termination


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in termination.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", termination.SIGNALS)
def test_signal_lets_the_block_clean_up_and_ends_with_a_line_and_its_status(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned: list[int] = []

    def run() -> None:
        with termination.clean_up_when_terminated("stopped: nothing was added"):
            try:
                os.kill(os.getpid(), number)
                pytest.fail("it goes on")
            finally:
                for again in termination.SIGNALS:  # a second signal does not disturb this
                    os.kill(os.getpid(), again)
                cleaned.append(1)

    before = [signal.getsignal(other) for other in termination.SIGNALS]
    with pytest.raises(SystemExit) as end:
        run()
    assert end.value.code == 128 + number
    assert cleaned == [1]
    assert capsys.readouterr().err == "stopped: nothing was added\n"
    assert [signal.getsignal(other) for other in termination.SIGNALS] == before


def test_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` starts a program
    with termination.clean_up_when_terminated("stopped"):
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_terminal_that_is_closed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, _text: str) -> int:
            raise OSError

    monkeypatch.setattr(sys, "stderr", Closed())
    with pytest.raises(termination.Terminated), termination.clean_up_when_terminated("stopped"):
        os.kill(os.getpid(), signal.SIGHUP)


def test_other_end_and_another_thread_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), termination.clean_up_when_terminated("stopped"):
        sys.exit(3)
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def run() -> None:
        with termination.clean_up_when_terminated("stopped"):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
    assert capsys.readouterr().err == ""
