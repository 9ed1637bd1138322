"""Typed access to `data/batches.yaml`: the batches in order of arrival, and the synthetic classes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from shoepair.runtime import parameter_files, params, paths
from shoepair.runtime.batch_names import BATCH_NAME_PATTERN
from shoepair.runtime.errors import ShoepairError


def _check_unique(names: list[str]) -> list[str]:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        message = f"expected each name once; repeated: {', '.join(repeated)}"
        raise ValueError(message)
    return names


def _check_batch_name(name: str) -> str:
    if name == paths.SYNTHETIC_BATCH:
        message = f"expected another name: `{name}` is reserved for the synthetic students"
        raise ValueError(message)
    if not BATCH_NAME_PATTERN.fullmatch(name):
        message = "expected a name of small letters, digits, '-' and '_', 63 at most, letter or digit first"
        raise ValueError(message)
    return name


BatchName = Annotated[str, AfterValidator(_check_batch_name)]
UniqueNames = Annotated[list[str], AfterValidator(_check_unique)]


class SyntheticClass(params.StrictModel):
    """How a synthetic class is made: number of students, number of test students, seed."""

    students: int = Field(ge=1, le=100_000)
    test_students: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0)


class BatchLists(params.StrictModel):
    """The content of `data/batches.yaml`: the batches in order of arrival, and the synthetic classes."""

    batches: Annotated[list[BatchName], AfterValidator(_check_unique)]
    synthetic_classes: dict[BatchName, SyntheticClass]


def load_batch_lists() -> BatchLists:
    """Read the batches and the synthetic classes from data/batches.yaml.

    Raises:
        ShoepairError: the file is missing or does not match `BatchLists`.
    """
    values = parameter_files.read_yaml(paths.BATCH_LIST)
    params.raise_if_any(paths.BATCH_LIST, params.validation_errors(BatchLists, values))
    return BatchLists.model_validate(values)


def load_synthetic_class(batch: str) -> SyntheticClass:
    """Return the declaration of one synthetic class from data/batches.yaml.

    Raises:
        ShoepairError: data/batches.yaml declares no such class.
    """
    classes = load_batch_lists().synthetic_classes
    if batch not in classes:
        message = f"{paths.BATCH_LIST}: no synthetic class {batch!r}, declared: {', '.join(classes) or 'none'}"
        raise ShoepairError(message, fix=f"declare it under `synthetic_classes` in {paths.BATCH_LIST}")
    return classes[batch]
