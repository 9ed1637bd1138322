"""JSON files: reading and writing, the same content giving the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoepair.runtime.atomic_files import write_text
from shoepair.runtime.errors import ShoepairError


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a mapping to a JSON file; keys keep their order, which is the order in which tables show them."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, fix_hint: str) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Args:
        path: the file.
        fix_hint: what to do if the file is missing or invalid, for the message.

    Raises:
        ShoepairError: the file is missing or holds no JSON object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{path}: missing"
        raise ShoepairError(message, fix=fix_hint) from None
    except ValueError:  # not UTF-8, or not JSON
        document = None
    if not isinstance(document, dict):
        message = f"{path}: not a JSON object"
        raise ShoepairError(message, fix=fix_hint)
    return document
