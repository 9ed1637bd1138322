"""Output of a benchmark: its numbers as JSON, to a file or printed, and a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

NETWORKS = ["cnn", "cnn_channel", "siamese"]
Row = dict[str, Any]


def print_results(numbers: object, table: str, path: Path | None) -> None:
    """Print the table, and before it the numbers as JSON unless they go to a file."""
    document = json.dumps(numbers, indent=2)
    if path:
        path.write_text(document + "\n")
    else:
        print(document)
    print(table)


def compare_networks(
    program: str,
    description: str | None,
    measure: Callable[[list[str], int], list[Row]],
    format_table: Callable[[list[Row]], str],
) -> None:
    """Run a benchmark that trains networks in several ways: parse the command line, measure, print.

    Args:
        program: the module's name.
        description: its docstring.
        measure: returns rows for the networks of these names, each a median of so many epochs.
        format_table: formats these rows as a table.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--models", nargs="+", default=NETWORKS)
    parser.add_argument("--times", type=int, default=3, help="epochs behind every median")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    rows = measure(options.models, options.times)
    print_results(rows, format_table(rows), options.json)
