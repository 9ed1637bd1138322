"""What is shown of running stages: bars on a terminal only, lines on standard output."""

from __future__ import annotations

import io

import pytest

from shoepair.commands.reproduction.display import Display


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def show() -> None:
    with Display() as display:
        display.start("train@cnn")
        display.start("ingest@a")
        display.advance("train@cnn", 3, 80, "epoch", "valid 91 % [best]")
        display.advance("ingest@a", 3, 0, "photo", "")
        display._progress.refresh()
        display.end("train@cnn", ["train cnn: weights [bold] of epoch 80", "warning"])
        display.print_lines(["ingest@a: waits"])


def test_terminal_shows_a_bar_for_each_running_stage_and_lines_go_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    show()
    drawn = stream.getvalue()
    for text in ("train@cnn", "3/80 epoch", "valid 91 % [best]", "3 photos", "0:00:0"):
        assert text in drawn, text
    assert capsys.readouterr().out == "train cnn: weights [bold] of epoch 80\nwarning\ningest@a: waits\n"


def test_elsewhere_there_are_lines_only(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    captured = capsys.readouterr()
    assert captured.out == "train cnn: weights [bold] of epoch 80\nwarning\ningest@a: waits\n"
    assert captured.err == ""
