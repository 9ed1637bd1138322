"""Tables that fit a terminal, and lose nothing in a pipe."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.reports import text_tables
from shoepair.reports.text_tables import TextTable, fit_width

ROWS = [["model", "split", "before", "gain", "students"], ["cnn", "test", "80.0% (75.0 to 85.0)", "+1.0%", "12"]]
TABLE = TextTable(ROWS, 2, shortened=(2,), optional=(4, 2))


def columns(width: int) -> tuple[list[str], list[str]] | None:
    shown, lacks = fit_width(TABLE, width)
    return None if shown is None else (list(shown.rows[0]), lacks)


def test_narrow_table_loses_first_intervals_then_columns_in_order_and_names_them() -> None:
    assert columns(51) == (ROWS[0], [])
    assert columns(50) == (ROWS[0], ["the intervals of before"])
    assert columns(36) == (["model", "split", "before", "gain"], ["the intervals of before", "students"])
    assert columns(26) == (["model", "split", "gain"], ["the intervals of before", "students", "before"])
    assert columns(18) is None


@settings(max_examples=30, deadline=None)
@given(width=st.integers(10, 60), texts=st.lists(st.text("ab", max_size=30), min_size=5, max_size=5))
def test_table_that_fits_is_never_wider_but_for_a_column_that_wraps(width: int, texts: list[str]) -> None:
    table = TextTable([ROWS[0], texts], 2, optional=(3, 4), wrapped=1, wrapped_width=12)
    shown, _ = fit_width(table, width)
    if shown is not None:
        widths = shown.column_widths()
        assert shown.wrapped == 1
        widths[1] = min(widths[1], 12)
        assert sum(widths) + 2 * (len(widths) - 1) <= width


def test_styles_and_alignment_follow_their_columns() -> None:
    table = TextTable([["a", "b", "c"], ["x", "y", "z" * 20]], 2, optional=(1,), styles={2: "red"})
    shown, _ = fit_width(table, 24)
    assert shown is not None
    assert (shown.text_columns, shown.styles) == (1, {1: "red"})


def test_pipe_gets_all_columns_a_line_per_row_and_a_pull_request_markdown() -> None:
    text = text_tables.plain_text(["before", TABLE, "", "behind"]).splitlines()
    assert text == [
        "before",
        "model  split                before   gain  students",
        "cnn    test   80.0% (75.0 to 85.0)  +1.0%        12",
        "",
        "behind",
    ]
    assert text_tables.markdown_text([TABLE]).splitlines()[1] == "| :-- | :-- | --: | --: | --: |"
