"""`data/batches.yaml`, typed: the batches in the order of arrival, and the sample classes among them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from shoepair.runtime import params, paths
from shoepair.runtime.errors import ShoepairError

BATCH_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _check_unique(names: list[str]) -> list[str]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        message = f"expected a list that names nothing twice: {', '.join(twice)}"
        raise ValueError(message)
    return names


def _check_batch_name(name: str) -> str:
    if name == paths.SYNTHETIC:
        message = f"expected another name: `{name}` are the drawn students beside the class"
        raise ValueError(message)
    if not BATCH_NAME.fullmatch(name):
        message = "expected a name of small letters, digits, '-' and '_', 63 at most, letter or digit first"
        raise ValueError(message)
    return name


BatchName = Annotated[str, AfterValidator(_check_batch_name)]
UniqueNames = Annotated[list[str], AfterValidator(_check_unique)]


class Sample(params.Checked):
    """A drawn class: its size and the seed of its drawings."""

    students: int = Field(ge=1, le=100_000)
    test_students: int = Field(ge=1, le=100_000)
    seed: int = Field(ge=0)


class Batches(params.Checked):
    """The content of `data/batches.yaml`."""

    batches: Annotated[list[BatchName], AfterValidator(_check_unique)]
    samples: dict[BatchName, Sample]


def load_batches() -> Batches:
    """Reads the list of batches and the sample classes from data/batches.yaml.

    Raises:
        ShoepairError: the file is missing or does not have this form.
    """
    given = params.read_yaml(paths.BATCHES)
    params.raise_if(paths.BATCHES, params.errors(Batches, given))
    return Batches.model_validate(given)


def load_sample(batch: str) -> Sample:
    """Reads what a sample class is drawn from.

    Raises:
        ShoepairError: data/batches.yaml declares no such class.
    """
    samples = load_batches().samples
    if batch not in samples:
        message = f"{paths.BATCHES}: no sample class {batch!r}, only {', '.join(samples) or 'none at all'}"
        raise ShoepairError(message, fix=f"declare it under `samples` in {paths.BATCHES}")
    return samples[batch]
