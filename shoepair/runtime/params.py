"""Loads `params.yaml` into typed sections: unknown, missing, wrong and dotted keys are refused by name.

Each room states the parameters that it uses as subclasses of `Section`, in its module `config.py`. A stage asks for
those that it reads, so that a test can compare them with its `params` in `dvc.yaml`. Whichever section is asked for,
the whole file is checked: a mistake is told before the first stage works, not after an hour.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

# Where the sections are. By name, since imports go down only and these rooms are above. None of them imports torch.
MODULES = tuple(f"shoepair.{room}.config" for room in ("ingestion", "models", "synthetic", "training", "evaluation"))


class Checked(BaseModel):
    """Values that are checked when they are given and cannot be changed afterwards."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


class Section(Checked):
    """Some of the parameters of params.yaml.

    The key of a field in the file is its `validation_alias`, such as `train.colour`; without one, its name. A field
    that is a section itself has the keys of its own fields. Default values are for callers in Python: the file states
    every key.

    Raises:
        ShoepairError: a value is missing, unknown or out of its range.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _refuse(cls, values: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        try:
            return handler(values)
        except ValidationError as error:
            first, *others = _lines(error)
            raise ShoepairError(first, problems=others, fix="correct the value") from None


Parameters = TypeVar("Parameters", bound=Section)


def sections() -> list[type[Section]]:
    """All sections of params.yaml, from the modules in `MODULES`."""
    values = [value for name in MODULES for value in vars(importlib.import_module(name)).values()]
    return list(dict.fromkeys(each for each in values if _is_section(each)))


def _is_section(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Section) and value is not Section


def keys(section: type[Section]) -> list[str]:
    """The keys of params.yaml that a section reads, such as `lr` and `split.salt`."""
    return [*_own_keys(section), *(key for part in _parts(section).values() for key in keys(part))]


def _own_keys(section: type[Section]) -> list[str]:
    fields, parts = section.model_fields, _parts(section)
    return [str(field.validation_alias or name) for name, field in fields.items() if name not in parts]


def _parts(section: type[Section]) -> dict[str, type[Section]]:
    """The fields that are sections themselves."""
    fields: dict[str, Any] = {name: field.annotation for name, field in section.model_fields.items()}
    return {name: kind for name, kind in fields.items() if _is_section(kind)}


def load(section: type[Parameters], overrides: Mapping[str, str] = MappingProxyType({})) -> Parameters:
    """Reads one section of params.yaml in the current directory.

    Args:
        section: the class that states the parameters.
        overrides: values that replace those of the file, written as they would be there: {"lr": "5.0e-4"}.

    Raises:
        ShoepairError: a key anywhere in the file is unknown, missing, written with a dot, or has a value out of range.
    """
    given = dict(_flat(read_yaml(paths.PARAMS))) | {key: _parse(key, text) for key, text in overrides.items()}
    unknown, problems = set(given), list[str]()
    for each in sections():
        own = _own_keys(each)
        unknown -= set(own)
        problems += [f"{key}: missing" for key in own if key not in given]
        problems += errors(each, {key: given[key] for key in own if key in given})
    raise_if(paths.PARAMS, [_refusal(key) for key in sorted(unknown)] + problems)
    return _build(section, given)


def _build(section: type[Parameters], given: Mapping[str, Any]) -> Parameters:
    parts = {name: _build(part, given) for name, part in _parts(section).items()}
    return section.model_validate(parts | {key: given[key] for key in _own_keys(section)})


def _refusal(key: str) -> str:
    if key.startswith("'"):
        return f"{key}: a dot in a key, which DVC would read as a section; write the section out"
    return f"{key}: not a parameter of this project"


def _parse(key: str, text: str) -> Any:
    """A value from its YAML text."""
    try:
        return YAML(typ="safe").load(text)
    except YAMLError:
        message = f"{key}={text}: not a value"
        raise ShoepairError(message, fix="write it as it would stand in params.yaml: `lr=5.0e-4`") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file that holds a mapping.

    Raises:
        ShoepairError: the file is missing, is not YAML, or holds something else.
    """
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{path}: missing"
        raise ShoepairError(message, fix=f"run in the project's folder, or `git checkout {path}`") from None
    except (YAMLError, UnicodeDecodeError) as error:
        message = f"{path}: not YAML"
        raise ShoepairError(message, problems=str(error).splitlines(), fix=f"correct {path}") from None
    if not isinstance(document, dict):
        message = f"{path}: holds no mapping of keys to values"
        raise ShoepairError(message, fix=f"correct it, or `git checkout {path}`")
    return document


def differences(one: Path, other: Path) -> list[tuple[str, Any, Any]]:
    """The keys at which two files differ, with the value of each; None where a file lacks the key."""
    first, second = dict(_flat(read_yaml(one))), dict(_flat(read_yaml(other)))
    every = sorted(first.keys() | second.keys())
    return [(key, first.get(key), second.get(key)) for key in every if first.get(key) != second.get(key)]


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested keys as DVC writes them: {"split": {"salt": "x"}} as ("split.salt", "x"); a key with a dot in quotes."""
    for key, value in section.items():
        place = f"'{prefix}{key}'" if "." in str(key) else f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{place}.")
        else:
            yield place, value


def errors(form: type[Checked], given: dict[str, Any]) -> list[str]:
    """One line for each value that is missing, unknown or not as the form states it."""
    try:
        form.model_validate(given)
    except ValidationError as error:
        return _lines(error)
    except ShoepairError as error:
        return [error.found, *error.problems]
    return []


def _lines(error: ValidationError) -> list[str]:
    return [_line(each) for each in error.errors(include_url=False)]


def _line(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{place}: missing"
    if error["type"] == "extra_forbidden":
        return f"{place}: not a key of this file"
    text = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    return f"{place}: {error['input']!r}, {text}"


def raise_if(path: Path, problems: Sequence[str]) -> None:
    """Refuses a file that has problems by a `ShoepairError` with each of them once."""
    if lines := list(dict.fromkeys(problems)):  # `n` belongs to two sections
        message = f"{path}: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
        raise ShoepairError(message, problems=lines, fix=f"correct {path}, then run `dvc repro`")
