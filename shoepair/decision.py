"""What decides a verdict: the best model, and the two thresholds that stage `evaluate` set on the validation split.

`data/decision.json`, format 1: `model`; `temperature` T; `same_above` and `different_below`, probabilities or null.
The probability that two shoes are a pair is sigmoid((logit of same - logit of different) / T). From `same_above` on
the answer is "same pair", up to `different_below` "different pairs", and between them there is none. Where a threshold
is null, its answer is never given: no threshold kept it right often enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shoepair import paths
from shoepair.errors import ShoepairError

FORMAT = 1
FIX = "run `dvc repro`, which trains the models and chooses the best one"


@dataclass(frozen=True)
class Decision:
    """The model that is asked, and what becomes of its answer.

    Args:
        model: as in `models.MODELS`.
        temperature: what a difference of logits is divided by to be the logit of a probability; above 0.
        same_above: least probability called "same pair"; None: never called so.
        different_below: greatest probability called "different pairs"; None: never called so.
    """

    model: str
    temperature: float
    same_above: float | None
    different_below: float | None

    def evidence(self, logit: float) -> float:
        """Log odds that two shoes are a pair, from the model's logit (same minus different)."""
        return logit / self.temperature

    def probability(self, logit: float) -> float:
        """Probability that two shoes are a pair, from the model's logit (same minus different)."""
        # The hyperbolic tangent does not overflow, whatever the logit.
        return (1 + math.tanh(self.evidence(logit) / 2)) / 2


class _Document(BaseModel):
    """What is read of the file; it holds more."""

    model_config = ConfigDict(frozen=True, strict=True)

    model: str
    temperature: float = Field(gt=0, allow_inf_nan=False)
    same_above: float | None = Field(ge=0, le=1)
    different_below: float | None = Field(ge=0, le=1)


def load() -> Decision:
    """The decision of the pipeline in the current directory.

    Raises:
        ShoepairError: the file is missing, damaged, or of another format.
    """
    document = paths.read_json(paths.DECISION, FIX)
    if document.get("format") != FORMAT:
        found = f"{paths.DECISION}: format {document.get('format')}, expected {FORMAT}"
        raise ShoepairError(found, fix=FIX)
    try:
        read = _Document.model_validate(document)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False)]
        found = f"{paths.DECISION}: damaged"
        raise ShoepairError(found, problems=faults, fix=FIX) from None
    low, high = read.different_below, read.same_above
    if low is not None and high is not None and low >= high:
        found = f"{paths.DECISION}: different_below {low}, expected less than same_above, {high}"
        raise ShoepairError(found, fix=FIX)
    return Decision(read.model, read.temperature, high, low)
