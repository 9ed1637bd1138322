"""How a benchmark tells its numbers: JSON, to a file or printed, and the table."""

from __future__ import annotations

import json
from pathlib import Path


def tell(numbers: object, table: str, path: Path | None) -> None:
    """Print the table, and the numbers before it unless a file takes them."""
    document = json.dumps(numbers, indent=2)
    if path:
        path.write_text(document + "\n")
    else:
        print(document)
    print(table)
