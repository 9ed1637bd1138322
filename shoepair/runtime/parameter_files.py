"""Reads parameter files as DVC reads them: YAML, TOML, and the constants of Python modules.

Values are those that DVC compares and records: its loader is the same, and what it reads in another way is refused. A
running stage reads each file once (`freeze_files`). Without pydantic, which a stage without parameters need not load.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from shoepair.runtime import input_files, yaml_files
from shoepair.runtime.errors import ShoepairError, escape_unprintable

MAX_NESTING = 4  # of sections; a YAML mapping may contain itself

_frozen_texts: dict[Path, str] = {}  # of the files that a running stage reads once


@contextmanager
def freeze_files(paths_to_read: Iterable[Path]) -> Iterator[None]:
    """Read files now; in this block `read_text` returns what they held, whatever happens to them.

    Raises:
        ShoepairError: a file is missing or is not UTF-8.
    """
    before = dict(_frozen_texts)
    for path in paths_to_read:
        try:
            _frozen_texts.setdefault(path, _read_bounded_text(path))
        except (FileNotFoundError, UnicodeDecodeError) as error:
            raise _unreadable_error(path, error) from None
    try:
        yield
    finally:
        _frozen_texts.clear()
        _frozen_texts.update(before)


def read_text(path: Path) -> str:
    """Return the text of a file; of a frozen one, what it held then."""
    return _frozen_texts[path] if path in _frozen_texts else _read_bounded_text(path)


def _read_bounded_text(path: Path) -> str:
    path.stat()  # a missing file is an error of its own
    return input_files.read_bytes(path, yaml_files.MAX_BYTES, f"correct it, or `git checkout {path}`").decode()


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ShoepairError: the file is missing, is not YAML, or holds no mapping.
    """
    try:
        return parse_parameters(path, read_text(path))
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise _unreadable_error(path, error) from None


def parse_parameters(path: Path, text: str) -> dict[str, Any]:
    """Return the content of a parameter file, YAML, TOML or Python, as DVC reads it.

    Raises:
        ShoepairError: the text is not of the language that the suffix says, or holds no mapping.
    """
    try:
        if path.suffix == ".toml":
            return tomllib.loads(text)
        if path.suffix == ".py":
            return _read_constants(text)
    except (ValueError, SyntaxError, RecursionError) as error:
        raise _unreadable_error(path, error) from None
    return deepcopy(_parse_yaml(path, text))


@lru_cache(maxsize=8)  # a stage asks for each of its files several times; dvc.yaml takes an eighth of a second
def _parse_yaml(path: Path, text: str) -> dict[str, Any]:
    return yaml_files.parse_mapping(text.encode(), str(path), f"correct it, or `git checkout {path}`")


def _read_constants(text: str) -> dict[str, Any]:
    """Return the constants that a Python module assigns to single names at its top level."""
    assigned = (node for node in ast.parse(text).body if isinstance(node, ast.Assign) and len(node.targets) == 1)
    pairs = ((node.targets[0], node.value) for node in assigned)
    return {
        name.id: value.value for name, value in pairs if isinstance(name, ast.Name) and isinstance(value, ast.Constant)
    }


def _unreadable_error(path: Path, error: Exception) -> ShoepairError:
    if isinstance(error, FileNotFoundError):
        return ShoepairError(f"{path}: missing", fix=f"run in the project's folder, or `git checkout {path}`")
    language = {".toml": "TOML", ".py": "Python"}.get(path.suffix, "YAML")
    problems = [escape_unprintable(line) for line in str(error).splitlines()]
    return ShoepairError(f"{path}: not {language}", problems=problems, fix=f"correct it, or `git checkout {path}`")


def list_yaml_differences(path: Path, other_path: Path) -> list[tuple[str, Any, Any]]:
    """Return (key, value, other value) for each key whose values differ; None where a file lacks the key."""
    first, second = dict(flatten(read_yaml(path))), dict(flatten(read_yaml(other_path)))
    keys = sorted(first.keys() | second.keys())
    return [(key, first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)]


def flatten(section: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys and values as DVC writes them, such as ("split.salt", "x"); keys that contain a dot are quoted.

    A key that is no text is written as in Python, such as "[1]", so that it equals no parameter.
    """
    for key, value in section.items():
        name = key if isinstance(key, str) else f"[{key!r}]"
        path = f"'{prefix}{name}'" if "." in name else f"{prefix}{name}"
        if isinstance(value, dict) and path.count(".") < MAX_NESTING:
            yield from flatten(value, f"{path}.")
        else:
            yield path, value
