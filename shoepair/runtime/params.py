"""Loads `params.yaml` into typed sections; rejects unknown, missing, invalid and dotted keys by name.

Each package declares its parameters as subclasses of `Section`, in its module `config.py`. A stage loads the sections
it reads, so a test can compare them with its `params` in `dvc.yaml`. Every load checks the complete file: an error is
reported before the first stage runs, not after an hour.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from shoepair.runtime import paths, yaml_files
from shoepair.runtime.errors import ShoepairError, escape_unprintable
from shoepair.runtime.parameter_files import flatten, read_yaml

# Modules that define sections, by name: this package must not import those above it. None of them imports torch.
SECTION_MODULES = tuple(
    f"shoepair.{package}.config" for package in ("ingestion", "models", "synthetic", "training", "evaluation")
)


class StrictModel(BaseModel):
    """A pydantic model that is strict, frozen, and rejects unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


class Section(StrictModel):
    """A group of parameters of params.yaml, typed and validated.

    The key of a field in the file is its `validation_alias`, such as `train.color_jitter`; without one, its name. A
    field that is a section stands for the keys of that section. Default values are for callers in Python: the file has
    every key.

    Raises:
        ShoepairError: a value is missing, unknown or out of its range.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _raise_shoepair_error(cls, values: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        try:
            return handler(values)
        except ValidationError as error:
            first, *others = _error_lines(error)
            raise ShoepairError(first, problems=others, fix="correct the value") from None


Parameters = TypeVar("Parameters", bound=Section)


def list_sections() -> list[type[Section]]:
    """Return all `Section` classes that `SECTION_MODULES` define."""
    values = [value for name in SECTION_MODULES for value in vars(importlib.import_module(name)).values()]
    return list(dict.fromkeys(value for value in values if _is_section(value)))


def _is_section(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Section) and value is not Section


def section_keys(section: type[Section]) -> list[str]:
    """Return the keys of params.yaml that a section reads, such as `lr` and `split.salt`."""
    nested = _nested_sections(section).values()
    return [*_direct_keys(section), *(key for part in nested for key in section_keys(part))]


def _direct_keys(section: type[Section]) -> list[str]:
    nested = _nested_sections(section)
    fields = section.model_fields.items()
    return [str(field.validation_alias or name) for name, field in fields if name not in nested]


def _nested_sections(section: type[Section]) -> dict[str, type[Section]]:
    """Return the fields that are sections themselves, with their classes."""
    types: dict[str, Any] = {name: field.annotation for name, field in section.model_fields.items()}
    return {name: section_type for name, section_type in types.items() if _is_section(section_type)}


def load(section: type[Parameters], overrides: Mapping[str, str] = MappingProxyType({})) -> Parameters:
    """Read params.yaml in the current directory, check the complete file, and return one section of it.

    Args:
        section: the class that declares the parameters.
        overrides: YAML texts of values that replace those of the file, such as {"lr": "5.0e-4"}.

    Raises:
        ShoepairError: a key of the file is unknown, missing, written with a dot, or has an invalid value.
    """
    values = dict(flatten(read_yaml(paths.PARAMS)))
    values |= {key: _parse_value(key, text) for key, text in overrides.items()}
    unknown, problems = set(values), list[str]()
    for schema in list_sections():
        keys = _direct_keys(schema)
        unknown -= set(keys)
        problems += [f"{key}: missing" for key in keys if key not in values]
        problems += validation_errors(schema, {key: values[key] for key in keys if key in values})
    raise_if_any(paths.PARAMS, [_unknown_key_error(key) for key in sorted(unknown)] + problems)
    return _build_section(section, values)


def _build_section(section: type[Parameters], values: Mapping[str, Any]) -> Parameters:
    nested = {name: _build_section(part, values) for name, part in _nested_sections(section).items()}
    return section.model_validate(nested | {key: values[key] for key in _direct_keys(section)})


def _unknown_key_error(key: str) -> str:
    key = escape_unprintable(key)
    if key.startswith("'"):
        return f"{key}: a dot in a key, which DVC would read as a section; write a nested section"
    return f"{key}: not a parameter of this project"


def _parse_value(key: str, text: str) -> Any:
    """Parse a value from its YAML text."""
    try:
        return yaml_files.parse_value(text.encode(), f"{key}={text}", "")
    except ShoepairError:
        message = f"{key}={text}: not a YAML value"
        raise ShoepairError(message, fix="write the value as in params.yaml: `lr=5.0e-4`") from None


def validation_errors(schema: type[StrictModel], values: dict[str, Any]) -> list[str]:
    """Return one line for each value that is missing, unknown or invalid by the schema."""
    try:
        schema.model_validate(values)
    except ValidationError as error:
        return _error_lines(error)
    except ShoepairError as error:
        return [error.message, *error.problems]
    return []


def _error_lines(error: ValidationError) -> list[str]:
    return [_error_line(item) for item in error.errors(include_url=False)]


def _error_line(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "extra_forbidden":
        return f"{key}: not a key of this file"
    text = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    return f"{key}: {error['input']!r}, {text}"


def raise_if_any(path: Path, problems: Sequence[str]) -> None:
    """Raise one ShoepairError with all problems of a file, each once; do nothing if there are none."""
    if lines := list(dict.fromkeys(problems)):  # `n` belongs to two sections
        message = f"{path}: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
        raise ShoepairError(message, problems=lines, fix=f"correct {path}, then run `dvc repro`")
