"""JSON files: reading with limits, and writing, the same content giving the same bytes."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from shoepair.runtime import input_files
from shoepair.runtime.atomic_files import write_text
from shoepair.runtime.errors import ShoepairError

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_BYTES = 2**23  # of a file; the report of a class of 100,000 students has half of that
MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1  # of either sign


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a mapping to a JSON file; keys keep their order, which is the order in which tables show them."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def format_json(document: Any) -> str:
    """Format a result as JSON to print; numbers that JSON does not have, such as NaN, become null."""
    return json.dumps(_replace_non_finite(document), indent=2, allow_nan=False)


def _replace_non_finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_non_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, fix_hint: str, schema: type[BaseModel] | None = None) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Args:
        path: the file.
        fix_hint: what to do if the file is missing or invalid, for the message.
        schema: which keys the object has, of which types; None for any.

    Raises:
        ShoepairError: the file is missing, holds no JSON object, breaks a limit or the schema.
    """
    return parse_json(input_files.read_bytes(path, MAX_BYTES, fix_hint), str(path), fix_hint, schema)


def parse_json(content: bytes, location: str, fix_hint: str, schema: type[BaseModel] | None = None) -> dict[str, Any]:
    """Parse JSON that holds an object; `location` names it in messages, see `read_json`."""
    document = parse_json_value(content, location, fix_hint)
    if not isinstance(document, dict):
        message = f"{location}: not a JSON object"
        raise ShoepairError(message, fix=fix_hint)
    return document if schema is None else check_schema(document, location, fix_hint, schema)


def check_schema(document: dict[str, Any], location: str, fix_hint: str, schema: type[BaseModel]) -> dict[str, Any]:
    """Return a document that matches a schema; raise a ShoepairError with every key that does not."""
    from pydantic import ValidationError  # imported late: most files have no schema

    try:
        schema.model_validate(document)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)]
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", schema.__name__).lower()  # DecisionRule: decision rule
        message = f"{location}: invalid {words}"
        raise ShoepairError(message, problems=problems, fix=fix_hint) from None
    return document


def parse_json_value(content: bytes, location: str, fix_hint: str, max_bytes: int = MAX_BYTES) -> Any:
    """Parse JSON of any type; `location` names it in messages, see `read_json`."""
    input_files.raise_if_too_long(len(content), max_bytes, location, fix_hint)
    try:
        text = content.decode()
        document = json.loads(text, object_pairs_hook=_build_object, parse_constant=_refuse_constant)
        _check_limits(document)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(document, ensure_ascii=False).encode()  # half a character cannot be printed
    except (json.JSONDecodeError, UnicodeError):
        message = f"{location}: not a JSON object"
        raise ShoepairError(message, fix=fix_hint) from None
    except (ValueError, RecursionError) as error:  # of this module; a number of 5,000 digits; deep nesting
        message = f"{location}: not a JSON object ({' '.join(str(error).split())})"
        raise ShoepairError(message, fix=fix_hint) from None
    return document


def _build_object(items: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(items)
    if len(document) < len(items):
        (name, _), *_ = Counter(name for name, _ in items).most_common(1)
        message = f"key {name!r} twice"
        raise ValueError(message)
    return document


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name}, which is not a number of JSON"
    raise ValueError(message)


def _check_limits(document: Any) -> None:
    """Raise a ValueError if values are nested too deep, or a number is beyond 64 bits."""
    layer = [document]
    for _ in range(MAX_DEPTH):
        if any(type(value) is float and not math.isfinite(value) for value in layer):
            message = "a number that is too large"
            raise ValueError(message)
        if any(type(value) is int and abs(value) > MAX_INTEGER for value in layer):
            message = "an integer of more than 64 bits"
            raise ValueError(message)
        layer = [item for value in layer if isinstance(value, dict | list) for item in _items(value)]
        if not layer:
            return
    message = f"nested deeper than {MAX_DEPTH}"
    raise ValueError(message)


def _items(value: dict[str, Any] | list[Any]) -> Sequence[Any]:
    return list(value.values()) if isinstance(value, dict) else value
