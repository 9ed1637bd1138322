"""Tables and lines that commands print: one form for a terminal, for a pipe and for a pull request.

A text is a list of blocks: lines, and tables. In a pipe a table has all its columns, whatever their width, and a row
is a line; as Markdown likewise. A terminal shows what fits (`fit_width`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shoepair.reports.formatting import markdown_table

GAP = 2  # blanks between two columns
INTERVAL_PATTERN = re.compile(r" \([^()]* to [^()]*\)$")  # behind a value


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Args:
        rows: cells; the first row has the titles.
        text_columns: so many first columns have words and are aligned left, the others numbers.
        shortened: columns in which a narrow terminal leaves out intervals, first of all.
        optional: columns that a narrow terminal leaves out, in this order.
        wrapped: column of sentences, which a terminal may wrap, down to `wrapped_width`; None for none.
        wrapped_width: in letters.
        bold_rows: rows that stand out, such as those of the best model; the titles are row 0.
        styles: how a terminal shows cells of these columns that are neither 0 nor "-".
        word_styles: how a terminal shows cells of these words.
    """

    rows: Sequence[Sequence[str]]
    text_columns: int
    shortened: tuple[int, ...] = ()
    optional: tuple[int, ...] = ()
    wrapped: int | None = None
    wrapped_width: int = 24
    bold_rows: frozenset[int] = frozenset()
    styles: Mapping[int, str] = field(default_factory=dict)
    word_styles: Mapping[str, str] = field(default_factory=dict)

    def column_widths(self) -> list[int]:
        """Return the width of each column in letters."""
        return [max(map(len, column)) for column in zip(*self.rows, strict=True)]

    def plain_text(self) -> str:
        """Align the columns: words left, numbers right; all of them, and a line per row."""
        padded = []
        for index, (width, column) in enumerate(zip(self.column_widths(), zip(*self.rows, strict=True), strict=True)):
            padded.append([cell.ljust(width) if index < self.text_columns else cell.rjust(width) for cell in column])
        return "\n".join((" " * GAP).join(cells).rstrip() for cells in zip(*padded, strict=True))


Block = str | TextTable


def plain_text(blocks: Sequence[Block]) -> str:
    """Format blocks for a pipe."""
    return "\n".join(block if isinstance(block, str) else block.plain_text() for block in blocks)


def markdown_text(blocks: Sequence[Block]) -> str:
    """Format blocks for a pull request."""
    return "\n".join(
        block if isinstance(block, str) else markdown_table([list(row) for row in block.rows], block.text_columns)
        for block in blocks
    )


def fit_width(table: TextTable, width: int) -> tuple[TextTable | None, list[str]]:
    """Return a table of at most this width, and the titles of what it lacks; None if nothing fits.

    A column of sentences is made narrower; then intervals are left out, then whole columns.
    """
    kept = list(range(len(table.rows[0])))
    lacks = [f"the intervals of {table.rows[0][column]}" for column in table.shortened]
    if _least_width(table, kept) <= width:
        return table, []
    if table.shortened:
        table = replace(table, rows=[_shorten(row, table.shortened) for row in table.rows])
    for leave_out in (None, *table.optional):
        if leave_out is not None:
            kept.remove(leave_out)
            lacks.append(table.rows[0][leave_out])
        if _least_width(table, kept) <= width:
            return _keep_columns(table, kept), lacks
    return None, []


def _least_width(table: TextTable, kept: list[int]) -> int:
    widths = table.column_widths()
    if table.wrapped is not None:
        widths[table.wrapped] = min(widths[table.wrapped], table.wrapped_width)
    return sum(widths[column] for column in kept) + GAP * (len(kept) - 1)


def _shorten(row: Sequence[str], columns: Sequence[int]) -> list[str]:
    return [INTERVAL_PATTERN.sub("", cell) if column in columns else cell for column, cell in enumerate(row)]


def _keep_columns(table: TextTable, kept: list[int]) -> TextTable:
    places = {column: place for place, column in enumerate(kept)}
    return replace(
        table,
        rows=[[row[column] for column in kept] for row in table.rows],
        text_columns=sum(column < table.text_columns for column in kept),
        shortened=(),
        optional=(),
        wrapped=places.get(table.wrapped) if table.wrapped is not None else None,
        styles={places[column]: style for column, style in table.styles.items() if column in places},
    )
