"""How a benchmark tells its numbers: JSON, to a file or printed, and the table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

NETWORKS = ["cnn", "cnn_channel", "siamese"]
Row = dict[str, Any]


def tell(numbers: object, table: str, path: Path | None) -> None:
    """Print the table, and the numbers before it unless a file takes them."""
    document = json.dumps(numbers, indent=2)
    if path:
        path.write_text(document + "\n")
    else:
        print(document)
    print(table)


def compare_networks(
    program: str,
    about: str | None,
    measure: Callable[[list[str], int], list[Row]],
    printed: Callable[[list[Row]], str],
) -> None:
    """The whole of a benchmark that trains networks in several ways: read the command line, measure, print.

    Args:
        program: the module's name.
        about: its docstring.
        measure: rows for the networks of these names, each a median of so many epochs.
        printed: the table of these rows.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    parser.add_argument("--models", nargs="+", default=NETWORKS)
    parser.add_argument("--times", type=int, default=3, help="epochs behind every median")
    parser.add_argument("--json", type=Path, help="write the numbers here; else they are printed")
    given = parser.parse_args()
    rows = measure(given.models, given.times)
    tell(rows, printed(rows), given.json)
