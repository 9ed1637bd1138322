"""YAML from files that may come from elsewhere: one parser, with limits, for lists, parameters and DVC's records.

Aliases are refused: a hundred bytes of them unfold to gigabytes as soon as the document is printed or compared. So are
deep nesting, and values so long that converting them takes minutes.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from shoepair.runtime import input_files
from shoepair.runtime.errors import ShoepairError

MAX_BYTES = 2**20  # of a list that people write
MAX_RECORD_BYTES = 2**24  # of a record of DVC: `dvc.lock` of 500 batches has one megabyte
MAX_DEPTH = 20
MAX_VALUE_LENGTH = 10_000  # characters of one key or value
MAX_NUMBER_LENGTH = 100  # characters of a value without quotation marks that starts like a number
MAX_OPEN_BRACKETS = 100  # the scanner looks at all open brackets for every word
BRACKET = re.compile(r"[\[\]{}]")
# What the parser raises for a number of 5,000 digits, the 99th of a month, a list as a key, `%YAML 1.3`.
PARSE_ERRORS = (
    *(YAMLError, ValueError, TypeError, OverflowError, AttributeError, LookupError, RecursionError),
    AssertionError,
)


class _LimitedComposer(Composer):
    """A composer that refuses aliases and long values while it reads."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent):
            problem = f"an alias, *{event.anchor}; write its content in its place"
            raise ComposerError(None, None, problem, event.start_mark)
        if len(getattr(event, "value", None) or "") > MAX_VALUE_LENGTH:
            problem = f"a value of {len(event.value):,} characters, expected {MAX_VALUE_LENGTH:,} at most"
            raise ComposerError(None, None, problem, event.start_mark)
        if (
            getattr(event, "style", "'") is None
            and len(event.value) > MAX_NUMBER_LENGTH
            and event.value[0] in "+-.0123456789"
        ):
            problem = f"a number of {len(event.value):,} characters, expected {MAX_NUMBER_LENGTH} at most"
            raise ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)


def read_mapping(path: Path, fix: str, max_bytes: int = MAX_BYTES) -> dict[Any, Any]:
    """Read a YAML file that holds a mapping.

    Args:
        path: the file.
        fix: what to do if the file is missing or invalid, for the message.
        max_bytes: longer files are refused.

    Raises:
        ShoepairError: the file is missing, is not YAML, breaks a limit, or holds no mapping.
    """
    return parse_mapping(input_files.read_bytes(path, max_bytes, fix), str(path), fix)


def parse_mapping(content: bytes, location: str, fix: str) -> dict[Any, Any]:
    """Parse YAML that holds a mapping; `location` names it in messages, see `read_mapping`."""
    document = parse_value(content, location, fix)
    if not isinstance(document, dict):
        message = f"{location}: holds no mapping of keys to values"
        raise ShoepairError(message, fix=fix)
    return document


def parse_value(content: bytes, location: str, fix: str) -> Any:
    """Parse YAML that holds any one value; `location` names it in messages, see `read_mapping`."""
    parser = YAML(typ="safe", pure=True)
    parser.Composer = _LimitedComposer
    parser.max_depth = MAX_DEPTH
    try:
        with warnings.catch_warnings(action="ignore"):  # of anchors that are named twice
            text = content.decode()
            _check_brackets(text)
            return parser.load(text)
    except PARSE_ERRORS as error:
        message = f"{location}: not YAML"
        raise ShoepairError(message, problems=_describe(error), fix=fix) from None


def _check_brackets(text: str) -> None:
    """Raise a ValueError if too many brackets are open at a time; those in texts count too."""
    depth = 0
    for bracket in BRACKET.findall(text):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        if depth > MAX_OPEN_BRACKETS:
            message = f"more than {MAX_OPEN_BRACKETS} open brackets"
            raise ValueError(message)


def _describe(error: Exception) -> list[str]:
    """Return what is wrong, and in which line."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return [" ".join(str(error).split()) or type(error).__name__]
    mark = error.problem_mark
    return [f"line {mark.line + 1}, column {mark.column + 1}: {' '.join(str(error.problem).split())}"]
