"""Parameters of `audit`, `evaluate` and of the folds of `crossval`; params.yaml explains each of them."""

from __future__ import annotations

from pydantic import Field

from shoepair.runtime.batches import UniqueNames
from shoepair.runtime.params import Section


class AuditConfig(Section):
    """How intervals are computed."""

    seed: int = Field(ge=0)
    resamples: int = Field(validation_alias="evaluate.resamples", ge=100)


class EvaluateConfig(AuditConfig):
    """Which models are compared, and how their intervals are computed."""

    threads: int = Field(validation_alias="train.threads", ge=1)
    models: UniqueNames = Field(min_length=1)
    crossvalidated: UniqueNames = Field(default_factory=list, validation_alias="crossval.models")
    pretrained_models: UniqueNames = Field(validation_alias="pretrained.models")

    @property
    def all_models(self) -> list[str]:
        """Names of all models, those from scratch first."""
        return [*self.models, *self.pretrained_models]


class FoldConfig(Section):
    """How students are split into folds, and how intervals are computed."""

    folds: int = Field(validation_alias="crossval.folds", ge=2)
    repeats: int = Field(validation_alias="crossval.repeats", ge=1)
    resamples: int = Field(validation_alias="evaluate.resamples", ge=100)


class CrossvalConfig(FoldConfig):
    """Which models are cross-validated."""

    models: UniqueNames = Field(validation_alias="crossval.models")
