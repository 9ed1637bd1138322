"""JSON documents: how they are written, byte for byte, and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.files import write_text


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a mapping; keys keep their order, which is the order in which tables show them."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, fix: str) -> dict[str, Any]:
    """Read a mapping.

    Args:
        path: the file.
        fix: what to do where there is none, for the message.

    Raises:
        ShoepairError: the file is missing or is not such a file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = f"{path}: missing"
        raise ShoepairError(found, fix=fix) from None
    except ValueError:  # of the text's encoding, or of JSON
        document = None
    if not isinstance(document, dict):
        found = f"{path}: not a JSON object"
        raise ShoepairError(found, fix=fix)
    return document
