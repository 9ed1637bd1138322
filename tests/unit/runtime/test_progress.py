"""The bar of a long command: where it is drawn, what it leaves, where lines go."""

from __future__ import annotations

import io
from contextvars import copy_context

import pytest

from shoepair.runtime import progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal in the place of stderr; no fixture, since pytest sets stderr anew when a test begins."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    return stream


def test_bar_on_a_terminal_names_the_work_and_is_wiped_off_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    bar = progress.track(range(3), "count", "number")
    assert list(bar) == [0, 1, 2]
    drawn = stream.getvalue()
    assert "count:   0%" in drawn
    assert "0/3 [" in drawn
    assert "number/s" in drawn
    last, behind = drawn.split("\r")[-2:]
    assert last.isspace(), "the bar still stands there"
    assert behind == ""


def test_hidden_bar_draws_nothing_on_a_terminal_either(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    assert list(progress.track("ab", "letters", "letter", hidden=True)) == ["a", "b"]
    assert stream.getvalue() == ""


def test_process_that_hides_its_bars_draws_none_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)

    def work() -> list[str]:
        progress.hide()
        return list(progress.track("ab", "letters", "letter"))

    assert copy_context().run(work) == ["a", "b"]
    assert stream.getvalue() == ""
    assert list(progress.track("ab", "letters", "letter")) == ["a", "b"]
    assert "letters:" in stream.getvalue(), "what another process hides is its own matter"


@pytest.mark.parametrize(("total", "shown"), [(7, 7), (None, None)])
def test_number_of_items_without_length_is_the_one_given(total: int | None, shown: int | None) -> None:
    assert progress.track(iter("ab"), "letters", "letter", total, hidden=True).total == shown


def test_line_goes_to_stdout_or_where_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = io.StringIO()
    progress.say("here")
    progress.say("there", elsewhere)
    assert capsys.readouterr().out == "here\n"
    assert elsewhere.getvalue() == "there\n"
