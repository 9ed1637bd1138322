"""Prints what commands say: for people on a terminal by `rich`, plain everywhere else.

On a terminal, tables fit its width: columns of less interest are left out and named, or, where that is not enough,
rows become records, one below the other. `NO_COLOR` switches colours off. Where stdout is no terminal, there are no
colours and no wrapping, whatever the width: a row of a table is one line.

`rich` is loaded where it draws, not before.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from shoepair.reports import text_tables
from shoepair.reports.text_tables import Block, TextTable
from shoepair.runtime import json_files, progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# How a terminal shows the beginning of a line, by its first words.
LINE_STYLES = {
    "quarantined": "bold red",
    "unreadable": "bold red",
    "unmatched": "yellow",
    "out of date": "bold yellow",
    "drift": "yellow",
    "note": "yellow",
    "not sure": "bold yellow",
    "different pairs": "bold magenta",
    "same pair": "bold green",
    "next": "bold cyan",
}
START_PATTERN = re.compile(rf"\s*({'|'.join(LINE_STYLES)})(?=$|[:;,])")
CODE_PATTERN = r"`[^`]+`"
INTERVAL_PATTERN = r"\(.+? to .+?\)"


def print_blocks(
    blocks: Sequence[Block], value: Any = None, *, as_json: bool = False, as_markdown: bool = False
) -> None:
    """Print lines and tables; or, if asked for, a value as JSON, or the blocks as Markdown."""
    if as_json:
        print_plain(json_files.format_json(value))
    elif as_markdown:
        print_plain(text_tables.markdown_text(blocks))
    elif sys.stdout.isatty():
        for block in blocks:
            _print_line(block) if isinstance(block, str) else _print_table(block)
    else:
        print_plain(text_tables.plain_text(blocks))


def print_lines(*lines: str) -> None:
    """Print lines."""
    print_blocks(lines)


def print_plain(text: str) -> None:
    """Print a text as it is, for another program."""
    progress.print_above_bar(text)


def print_markdown(text: str) -> None:
    """Print Markdown: drawn on a terminal, as it is elsewhere."""
    if not sys.stdout.isatty():
        print_plain(text)
        return
    from rich.markdown import Markdown

    _console().print(Markdown(text))


@cache
def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, emoji=False)


def _print_line(line: str) -> None:
    """Print a line, wrapped between words; what is indented stays so."""
    from rich.padding import Padding

    indent = len(line) - len(line.lstrip())
    text = _style_line(line[indent:])
    _console().print(Padding(text, (0, 0, 0, indent)) if indent else text)


def _style_line(line: str) -> Text:
    from rich.text import Text

    text = Text(line)
    if start := START_PATTERN.match(line):
        text.stylize(LINE_STYLES[start[1]], 0, start.end())
    text.highlight_regex(CODE_PATTERN, "cyan")
    return text


def _print_table(table: TextTable) -> None:
    shown, left_out = text_tables.fit_width(table, _console().width)
    if shown is None:
        _print_records(table)
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    titles, *rows = shown.rows
    for column, title in enumerate(titles):
        side = "left" if column < shown.text_columns else "right"
        drawn.add_column(title, justify=side, no_wrap=column != shown.wrapped)  # type: ignore[arg-type]
    for number, row in enumerate(rows, start=1):
        cells = [_style_cell(shown, column, cell) for column, cell in enumerate(row)]
        drawn.add_row(*cells, style="bold" if number in shown.bold_rows else "")
    _console().print(drawn)
    if left_out:
        names = ", ".join(dict.fromkeys(left_out))
        _console().print(f"(a wider terminal, a pipe or --json has {names} too)", style="dim", markup=False)


def _style_cell(table: TextTable, column: int, cell: str) -> Text:
    from rich.text import Text

    style = table.word_styles.get(cell) or (table.styles.get(column, "") if cell not in {"0", "-"} else "")
    text = Text(cell, style)
    text.highlight_regex(INTERVAL_PATTERN, "not bold dim")
    return text


def _print_records(table: TextTable) -> None:
    """Print each row as lines: its words, then its numbers with their titles."""
    titles, *rows = table.rows
    first = table.text_columns
    width = max(map(len, titles[first:]))
    for row in rows:
        _console().print(" ".join(row[:first]), style="bold", markup=False)
        for column, (title, cell) in enumerate(zip(titles[first:], row[first:], strict=True), start=first):
            line = _style_cell(table, column, cell)
            _console().print(f"  {title.ljust(width)} ", line, soft_wrap=True, markup=False)


def outdated_lines(reasons: Sequence[str], figures: str = "these figures") -> list[str]:
    """Return lines that say why figures are out of date, and what to do; [] if they are not."""
    if not reasons:
        return []
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return ["", f"out of date: {figures} are of before: {'; '.join(reasons[:3])}{more}; `dvc repro` computes new ones"]
