"""Numbers -> what people read. Imports nothing slow: a table must not wait for torch."""

from __future__ import annotations

from typing import Any


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
