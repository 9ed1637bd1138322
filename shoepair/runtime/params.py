"""`params.yaml` and `data/batches.yaml`, typed: unknown, missing and wrong keys are refused by name.

Each stage that has parameters asks for the one class below that lists them, so that what a stage reads and what its
`params` in `dvc.yaml` declares can be compared (a test does). A field's alias is its place in the file: `lr` stands
at the top level, `split.salt` in the section `split`. Whichever class is asked for, the whole file is checked: a
mistake is told before the first stage works, not after an hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

BATCH_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SALT_BYTES = 64  # the longest key of the hash in ingestion/splits.py


def _even(number: int) -> int:
    if number % 2:
        kind = "even"
        raise PydanticCustomError(kind, "Input should be even: half same, half different pairs")
    return number


def _sixteens(edge: int) -> int:
    if edge % 16:
        kind = "sixteens"
        raise PydanticCustomError(kind, "Input should be a multiple of 16: the networks halve it four times")
    return edge


def _key(salt: str) -> str:
    if len(salt.encode()) > SALT_BYTES:
        kind = "key"
        raise PydanticCustomError(kind, "Input should be a text of 64 bytes at most")
    return salt


def _unique(names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        kind = "unique"
        raise PydanticCustomError(
            kind, "Input should be a list that names nothing twice: {twice}", {"twice": ", ".join(twice)}
        )
    return names


def _batch_name(name: str) -> str:
    if name == paths.SYNTHETIC:
        kind = "reserved"
        text = "Input should be another name: `{name}` are the drawn students beside the class"
        raise PydanticCustomError(kind, text, {"name": name})
    if not BATCH_NAME.fullmatch(name):
        kind = "batch_name"
        text = "Input should be a name of small letters, digits, '-' and '_', 63 at most, letter or digit first"
        raise PydanticCustomError(kind, text)
    return name


BatchName = Annotated[str, AfterValidator(_batch_name)]


class _Typed(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Split(_Typed):
    """Who is in train and who in valid."""

    salt: Annotated[str, AfterValidator(_key)] = Field(alias="split.salt", min_length=1)
    valid: float = Field(alias="split.valid", gt=0, lt=1)
    duplicate_bits: int = Field(alias="split.duplicate_bits", ge=0, le=25)  # what `duplicates.search` can do


class Normalize(_Typed):
    """What every photo becomes."""

    edge: Annotated[int, AfterValidator(_sixteens)] = Field(alias="normalize.edge", ge=16, le=1024)


class Validate(_Typed):
    """What happens to students whose photos break a rule, and which photos are flagged."""

    on_invalid: Literal["fail", "quarantine"] = Field(alias="validate.on_invalid")
    max_quarantined: float = Field(alias="validate.max_quarantined", ge=0, le=1)
    blurred: float = Field(alias="validate.blurred", ge=0, le=1)
    dark: float = Field(alias="validate.dark", ge=0, le=1)
    overexposed: float = Field(alias="validate.overexposed", ge=0, le=1)
    low_contrast: float = Field(alias="validate.low_contrast", ge=0, le=1)
    tiny: float = Field(alias="validate.tiny", ge=0, allow_inf_nan=False)


class Synthetic(_Typed):
    """The drawn students that training learns from beside the class."""

    students: int = Field(alias="synthetic.students", ge=1, le=100_000)
    seed: int = Field(alias="synthetic.seed", ge=0)


class Analyze(_Typed):
    """What a network's layers depend on."""

    n: int = Field(alias="n", ge=1)
    kernel_size: Literal[3, 5] = Field(alias="kernel_size")
    batch_norm: bool = Field(alias="train.batch_norm")


class Train(_Typed):
    """One training run."""

    seed: int = Field(alias="seed", ge=0)
    lr: float = Field(alias="lr", gt=0, allow_inf_nan=False)
    batch_size: Annotated[int, AfterValidator(_even)] = Field(alias="batch_size", ge=2)
    weight_decay: float = Field(alias="weight_decay", ge=0, allow_inf_nan=False)
    epochs: int = Field(alias="epochs", ge=1)
    n: int = Field(alias="n", ge=1)
    kernel_size: Literal[3, 5] = Field(alias="kernel_size")
    batch_norm: bool = Field(alias="train.batch_norm")
    dropout: float = Field(alias="train.dropout", ge=0, lt=1)
    edge: Annotated[int, AfterValidator(_sixteens)] = Field(alias="train.edge", ge=16, le=1024)
    tta: bool = Field(alias="train.tta")
    different: Literal["standard", "drawn", "all"] = Field(alias="train.different")
    synthetic: float = Field(alias="train.synthetic", ge=0, allow_inf_nan=False)
    mirror: bool = Field(alias="train.mirror")
    exchange: bool = Field(alias="train.exchange")
    colour: float = Field(alias="train.colour", ge=0, le=4)
    affine: float = Field(alias="train.affine", ge=0, le=4)
    schedule: Literal["constant", "cosine"] = Field(alias="train.schedule")
    patience: int = Field(alias="train.patience", ge=0)
    keep: Literal["best", "last"] = Field(alias="train.keep")
    average: float = Field(alias="train.average", ge=0, lt=1)
    precision: Literal["float32", "bf16"] = Field(alias="train.precision")
    compiled: bool = Field(alias="train.compile")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(alias="train.device")
    memory_mb: int = Field(alias="train.memory_mb", ge=0)
    threads: int = Field(alias="train.threads", ge=1)


class Audit(_Typed):
    """How intervals are drawn."""

    seed: int = Field(alias="seed", ge=0)
    resamples: int = Field(alias="evaluate.resamples", ge=100)
    threads: int = Field(alias="train.threads", ge=1)


class Folds(_Typed):
    """How students are dealt into folds, and how intervals are drawn."""

    folds: int = Field(alias="crossval.folds", ge=2)
    repeats: int = Field(alias="crossval.repeats", ge=1)
    resamples: int = Field(alias="evaluate.resamples", ge=100)


class Crossval(Folds):
    """Which models the pipeline cross-validates."""

    models: Annotated[list[str], AfterValidator(_unique)] = Field(alias="crossval.models")


class Evaluate(Audit):
    """Which models are compared, and how their intervals are drawn."""

    models: Annotated[list[str], AfterValidator(_unique)] = Field(alias="models", min_length=1)


VIEWS: tuple[type[_Typed], ...] = (Split, Normalize, Validate, Synthetic, Analyze, Audit, Train, Crossval, Evaluate)
View = TypeVar("View", bound=_Typed)


class Sample(_Typed):
    """A drawn class: its size and what it is drawn from."""

    students: int = Field(ge=1, le=100_000)
    test_students: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0)


class Batches(_Typed):
    """`data/batches.yaml`: the batches in the order of arrival, and the sample classes among them."""

    batches: Annotated[list[BatchName], AfterValidator(_unique)]
    samples: dict[BatchName, Sample]


def keys(view: type[_Typed]) -> list[str]:
    """Where in params.yaml the fields of a class stand: `lr`, `split.salt`."""
    return [field.alias or name for name, field in view.model_fields.items()]


def load(view: type[View], instead: Mapping[str, str] = MappingProxyType({})) -> View:
    """The parameters of one stage, from params.yaml in the current directory.

    Args:
        view: the class that lists them.
        instead: values to take instead of the file's, as they would stand there: {"lr": "5.0e-4"}.

    Raises:
        ShoepairError: a key anywhere in the file is unknown, missing or has a value out of its range.
    """
    given = dict(_flat(read_yaml(paths.PARAMS))) | {key: _value(key, text) for key, text in instead.items()}
    known = {key for each in VIEWS for key in keys(each)}
    problems = [f"{key}: not a parameter of this project" for key in sorted(given.keys() - known)]
    for each in VIEWS:
        problems += _faults(each, {key: given[key] for key in keys(each) if key in given})
    _refuse(paths.PARAMS, problems)
    return view.model_validate({key: given[key] for key in keys(view)})


def _value(key: str, text: str) -> Any:
    try:
        return YAML(typ="safe").load(text)
    except YAMLError:
        found = f"{key}={text}: not a value"
        raise ShoepairError(found, fix="write it as it would stand in params.yaml: `lr=5.0e-4`") from None


def load_batches() -> Batches:
    """The list of batches and the sample classes, from data/batches.yaml.

    Raises:
        ShoepairError: the file is missing or does not have this form.
    """
    given = read_yaml(paths.BATCHES)
    _refuse(paths.BATCHES, _faults(Batches, given))
    return Batches.model_validate(given)


def load_sample(batch: str) -> Sample:
    """What a sample class is drawn from.

    Raises:
        ShoepairError: data/batches.yaml declares no such class.
    """
    samples = load_batches().samples
    if batch not in samples:
        found = f"{paths.BATCHES}: no sample class {batch!r}, only {', '.join(samples) or 'none at all'}"
        raise ShoepairError(found, fix=f"declare it under `samples` in {paths.BATCHES}")
    return samples[batch]


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        ShoepairError: the file is missing, is not YAML, or holds something else.
    """
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = f"{path}: missing"
        raise ShoepairError(found, fix=f"run in the project's folder, or `git checkout {path}`") from None
    except (YAMLError, UnicodeDecodeError) as error:
        found = f"{path}: not YAML"
        raise ShoepairError(found, problems=str(error).splitlines(), fix=f"correct {path}") from None
    if not isinstance(document, dict):
        found = f"{path}: holds no mapping of keys to values"
        raise ShoepairError(found, fix=f"correct it, or `git checkout {path}`")
    return document


def differences(one: Path, other: Path) -> list[tuple[str, Any, Any]]:
    """The keys at which two files differ, with the value of each; None where a file lacks the key."""
    first, second = dict(_flat(read_yaml(one))), dict(_flat(read_yaml(other)))
    keys = sorted(first.keys() | second.keys())
    return [(key, first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)]


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested keys as DVC writes them: {"split": {"salt": "x"}} as ("split.salt", "x")."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _faults(form: type[BaseModel], given: dict[str, Any]) -> list[str]:
    """One line for each value that is missing or not as the form wants it."""
    try:
        form.model_validate(given)
    except ValidationError as error:
        return [_line(fault) for fault in error.errors(include_url=False)]
    return []


def _line(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"{place}: missing"
    if fault["type"] == "extra_forbidden":
        return f"{place}: not a key of this file"
    return f"{place}: {fault['input']!r}, {fault['msg'].replace('Input should be', 'expected')}"


def _refuse(path: Path, problems: list[str]) -> None:
    if problems:
        lines = list(dict.fromkeys(problems))  # `n` is a field of two classes and is told once
        found = f"{path}: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
        raise ShoepairError(found, problems=lines, fix=f"correct {path}, then run `dvc repro`")
