"""What commands print: drawn on a terminal of any width, plain in a pipe."""

from __future__ import annotations

import io
import json
import re

import pytest

from shoepair.commands import printing
from shoepair.reports.text_tables import TextTable

LONG = "best by validation accuracy: siamese, which `shoepair check` uses, unless another model is named by somebody"
TABLE = TextTable(
    [["model", "positive", "balanced"], ["cnn_channel", "87.5% (80.1 to 92.3)", "88.5% (81.1 to 93.3)"]],
    1,
    optional=(1,),
    bold_rows=frozenset({1}),
)


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, width: int, *blocks: str | TextTable) -> str:
    """Return what is drawn on a terminal of this width."""
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    printing._console.cache_clear()
    printing.print_blocks(blocks)
    printing._console.cache_clear()
    return stream.getvalue()


@pytest.mark.parametrize("width", [24, 40, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = re.sub(r"\x1b\[[0-9;]*m", "", drawn(monkeypatch, width, LONG, "", TABLE))
    if width > 24:
        assert max(map(len, text.splitlines())) <= width
    assert "88.5% (81.1 to 93.3)" in text
    assert "87.5%" in text or "wider terminal, a pipe or --json has positive too" in " ".join(text.split())
    assert "`shoepair" in text, "no markup is taken out"


def test_colours_mark_what_matters_and_no_color_switches_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = drawn(monkeypatch, 80, "out of date: these figures", "[bold]no markup", TABLE)
    assert "\x1b[1;33mout of date\x1b[0m" in text
    assert "[bold]no markup" in re.sub(r"\x1b\[[0-9;]*m", "", text)
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    assert coloured.search(text)
    assert not coloured.search(drawn(monkeypatch, 80, "out of date: these figures", TABLE))


def test_pipe_gets_plain_lines_whatever_their_width(capsys: pytest.CaptureFixture[str]) -> None:
    printing.print_blocks([LONG * 3, TABLE])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == LONG * 3
    assert lines[2] == "cnn_channel  87.5% (80.1 to 92.3)  88.5% (81.1 to 93.3)"
    printing.print_blocks([TABLE], {"best": "cnn"}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"best": "cnn"}
    printing.print_blocks([TABLE], as_markdown=True)
    assert capsys.readouterr().out.startswith("| model | positive | balanced |")


def test_figures_that_are_out_of_date_say_why_and_what_to_do() -> None:
    assert printing.outdated_lines([]) == []
    assert printing.outdated_lines(["a", "b", "c", "d"])[1] == (
        "out of date: these figures are of before: a; b; c and 1 more; `dvc repro` computes new ones"
    )


def test_markdown_is_drawn_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "## Title\n\n| a | b |\n| :-- | --: |\n| x | 1 |"
    printing.print_markdown(text)
    assert capsys.readouterr().out == f"{text}\n"
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    printing._console.cache_clear()
    printing.print_markdown(text)
    printing._console.cache_clear()
    assert "##" not in stream.getvalue()
