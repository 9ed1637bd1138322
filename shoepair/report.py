"""Numbers -> what people read. Imports nothing slow: a table must not wait for torch."""

from __future__ import annotations

from typing import Any

import pandas as pd


def accuracy_table(details: dict[str, Any], best: str) -> str:
    """The table that people read: the best model first, a row per model and set, percent."""
    lines = ["model         set      positive  negative  balanced  (95 % interval)   all six: negative  balanced"]
    for model in sorted(details, key=lambda name: name != best):
        for split, got in sorted(details[model].items(), key=lambda item: item[0] == "valid"):
            lines.append(
                f"{model:13} {split:8} {got['positive']:8.1%}  {got['negative']:8.1%}  {got['balanced']:8.1%}"
                f"  ({got['low']:.1%} - {got['high']:.1%})".ljust(71)
                + f"{got['negative_all']:9.1%}  {got['balanced_all']:8.1%}"
            )
    return "\n".join([*lines, f"best by validation accuracy: {best}"])


def batch_table(overview: pd.DataFrame) -> str:
    """The batches in the order of arrival, and their sums; a dash where a number is not known yet.

    Args:
        overview: what `roster.overview` returns.
    """
    total: dict[str, Any] = {"batch": "all", "source": ""}
    total |= {str(name): overview[name].sum() for name in overview.columns[len(total) :]}
    rows: list[dict[Any, Any]] = [*overview.to_dict("records"), total]
    lines = [[str(name) for name in total], *([_cell(row[name]) for name in total] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_justified(line, widths)) for line in lines)


def _justified(line: list[str], widths: list[int]) -> list[str]:
    """The two columns of text to the left, the numbers to the right."""
    texts = [text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True)]
    return texts + [text.rjust(width) for text, width in zip(line[2:], widths[2:], strict=True)]


def _cell(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:,}" if isinstance(value, int) else str(value)


def purge_lines(purged: Any) -> list[str]:
    """What `shoepair forget --purge` did, and what it could not reach."""
    parts = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(purged.deleted.items()) if count]
    done = f"deleted from the cache: {', '.join(parts) or 'nothing, it held no more'} ({purged.bytes:,} bytes)"
    return [done, "remains:", *(f"  {line}" for line in purged.remains)]
