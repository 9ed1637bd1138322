"""Parameters of `synthetic`; params.yaml explains each of them."""

from __future__ import annotations

from pydantic import Field

from shoepair.runtime.params import Section


class SyntheticConfig(Section):
    """Number and seed of the synthetic training students."""

    students: int = Field(validation_alias="synthetic.students", ge=1, le=100_000)
    seed: int = Field(validation_alias="synthetic.seed", ge=0)
