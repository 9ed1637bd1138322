"""Progress bars: where they are shown, what remains of them, where lines go."""

from __future__ import annotations

import io
import re
from contextvars import copy_context

import pytest

from shoepair.runtime import progress, stage_reports

ERASED = "\x1b[1A\x1b[2K"  # one line up, and erased


def plain(drawn: str) -> str:
    """Return what was drawn, a line for every time, without colours."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn).replace("\r", "\n")


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Replace stderr by a terminal and return it; no fixture, since pytest sets stderr when a test begins."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    return stream


def test_bar_on_a_terminal_names_the_work_and_is_erased_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    bar = progress.track(range(3), "count [it]", "number")
    for number in bar:
        bar.set_note(f"at [{number}]")
    output = plain(stream.getvalue())
    assert "count [it]" in output
    assert "3/3 numbers" in output
    assert "at [2]" in output, "brackets are no markup"
    assert stream.getvalue().endswith(ERASED), "the bar was not erased"
    assert max(map(len, output.splitlines())) <= 80


def test_bar_of_a_training_has_epoch_loss_and_validation_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = terminal(monkeypatch)
    bar = progress.track(range(100), "train efficientnet_finetuned", "epoch")
    for _ in bar:
        bar.set_note("loss 0.69 valid 100.0%")
    lines = plain(stream.getvalue()).splitlines()
    assert [line for line in lines if "100/100 epochs" in line and line.rstrip().endswith("loss 0.69 valid 100.0%")]
    assert max(map(len, lines)) <= 80


def test_status_has_the_whole_line_for_what_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = terminal(monkeypatch)
    with progress.show_status("looking for what killed commands left in this project"):
        assert "looking for what killed commands left in this project" in plain(stream.getvalue())


def test_status_is_shown_at_once_and_gives_way_to_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with progress.show_status("comparing the versions"):
        assert "comparing the versions" in plain(stream.getvalue())
        start = len(stream.getvalue())
        for _ in progress.track("ab", "letters", "letter"):
            pass
        drawn = plain(stream.getvalue()[start:])
    assert "letters" in drawn
    assert stream.getvalue().endswith(ERASED)


def test_hidden_bar_is_not_shown_on_a_terminal_either(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    assert list(progress.track("ab", "letters", "letter", hidden=True)) == ["a", "b"]
    assert stream.getvalue() == ""


def test_process_that_disables_bars_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)

    def work() -> list[str]:
        progress.disable_bars()
        return list(progress.track("ab", "letters", "letter"))

    assert copy_context().run(work) == ["a", "b"]
    assert stream.getvalue() == ""
    assert list(progress.track("ab", "letters", "letter")) == ["a", "b"]
    assert "letters" in stream.getvalue(), "other processes still show bars"


@pytest.mark.parametrize("total", [7, None])
def test_number_of_items_without_length_is_the_given_one(total: int | None) -> None:
    assert progress.track(iter("ab"), "letters", "letter", total, hidden=True).total == total


def test_line_goes_to_stdout_or_to_the_given_stream(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    progress.print_above_bar("a")
    progress.print_above_bar("b", stream)
    assert capsys.readouterr().out == "a\n"
    assert stream.getvalue() == "b\n"


def test_bar_of_a_stage_beside_others_is_reported_not_drawn(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(stage_reports.VARIABLE, "1")
    monkeypatch.setattr(progress, "REPORT_SECONDS", 0.0)
    bar = progress.track("abc", "train cnn", "epoch")
    for _ in bar:
        bar.set_note("valid 90 %")
        progress.print_above_bar("a line")
    captured = capfd.readouterr()
    assert captured.out == "a line\n" * 3
    reports = [stage_reports.parse(line) for line in captured.err.split("\n") if line]
    assert ["progress", "0", "3", "epoch", ""] in reports
    assert reports[-1] == ["progress", "3", "3", "epoch", "valid 90 %"]
    assert all(report[0] == "progress" for report in reports)
    assert list(progress.track("ab", "letters", "letter", hidden=True)) == ["a", "b"]
    assert capfd.readouterr().err == ""
