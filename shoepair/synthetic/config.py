"""The parameters of `synthetic`; params.yaml says what each of them means."""

from __future__ import annotations

from pydantic import Field

from shoepair.runtime.params import Section


class Synthetic(Section):
    """The drawn students that training learns from beside the class."""

    students: int = Field(validation_alias="synthetic.students", ge=1, le=100_000)
    seed: int = Field(validation_alias="synthetic.seed", ge=0)
