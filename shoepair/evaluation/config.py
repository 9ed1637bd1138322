"""The parameters of `audit`, `evaluate` and of the folds of `crossval`; params.yaml says what each of them means."""

from __future__ import annotations

from pydantic import Field

from shoepair.runtime.batches import UniqueNames
from shoepair.runtime.params import Section


class Audit(Section):
    """How intervals are drawn."""

    seed: int = Field(ge=0)
    resamples: int = Field(validation_alias="evaluate.resamples", ge=100)
    threads: int = Field(validation_alias="train.threads", ge=1)


class Evaluate(Audit):
    """Which models are compared, and how their intervals are drawn."""

    models: UniqueNames = Field(min_length=1)


class Folds(Section):
    """How students are split into folds, and how intervals are drawn."""

    folds: int = Field(validation_alias="crossval.folds", ge=2)
    repeats: int = Field(validation_alias="crossval.repeats", ge=1)
    resamples: int = Field(validation_alias="evaluate.resamples", ge=100)


class Crossval(Folds):
    """Which models the pipeline cross-validates."""

    models: UniqueNames = Field(validation_alias="crossval.models")
