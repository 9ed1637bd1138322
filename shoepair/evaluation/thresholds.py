"""When to answer and when to say "not sure": two thresholds on the calibrated probability of "same".

Set on valid, for the best model, so that of the answers given at most 5 % are wrong. Valid is small and the thresholds
are chosen on it, so mistakes are counted with one more than were made: for 1 pair more, the next one, may be wrong
(Angelopoulos et al.: "Conformal risk control", ICLR 2024). "Same" and "different" must each keep the 5 %; same and
different pairs weigh the same, as in calibration.py. With fewer than 18 same pairs in valid (6 students)
nothing can be called different, with fewer than 18 different ones (3 students) nothing same: too few to tell 5 %.

The pairs of a student are counted as if independent, which they are not quite, and the photos met later may differ
from those of the class: the shares that hold on the test sets stand beside the thresholds.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from shoepair.data import documents
from shoepair.evaluation import calibration
from shoepair.evaluation.metrics import DIGITS, MEASURED, labels_and_logits, of_set
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.params import Checked

FORMAT = 1
WRONG = 0.05  # of the answers, at most
PLACES = 6  # decimals of a threshold: probabilities crowd near 0 and 1

Answer = Literal["same", "different", "not sure"]
Sides = tuple[NDArray[np.float64], NDArray[np.float64]]  # probabilities of "same", of same and of different pairs


class Outcome(Checked):
    """What the thresholds do on one set, all nine pairs of every student, either kind weighing half."""

    answered: float = Field(ge=0, le=1)  # share of the pairs
    wrong: float | None = Field(ge=0, le=1)  # share of the answers; None where there are none


class Decision(Checked):
    """`data/decision.json`: which model answers, and when it does."""

    format: Literal[1]  # FORMAT
    model: str
    temperature: float = Field(gt=0)
    same_above: float = Field(ge=0.5, le=1)  # 1: nothing is called same
    different_below: float = Field(ge=0, le=0.5)  # 0: nothing is called different
    says: str  # the thresholds in words
    sets: dict[str, Outcome]

    def probability(self, logit: float) -> float:
        """The calibrated probability that two shoes are a pair, from the model's logit, same minus different."""
        return float(calibration.probabilities(np.array([logit]), self.temperature)[0])

    def verdict(self, chance: float) -> Answer:
        """What to say of two shoes, from the calibrated probability that they are a pair."""
        return "same" if chance > self.same_above else "different" if chance < self.different_below else "not sure"


def decide(scores: pd.DataFrame, model: str, temperature: float) -> Decision:
    """Set the thresholds for the best model and its temperature, from `Scores` rows."""
    own = scores[scores["model"] == model]
    sets = {name: _sides(rows, temperature) for name in MEASURED if len(rows := of_set(own, name))}
    same, different = sets["valid"]
    above = threshold(same, different)
    below = threshold(1 - different, 1 - same)
    same_above = 1.0 if above is None else above
    different_below = 0.0 if below is None else round(1 - below, PLACES)
    return Decision(
        format=1,
        model=model,
        temperature=temperature,
        same_above=same_above,
        different_below=different_below,
        says=_words(above is not None, below is not None),
        sets={name: _outcome(each, same_above, different_below) for name, each in sets.items()},
    )


def threshold(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float | None:
    """The lowest threshold, 0.5 or more, above which at most 5 % are wrong, counting one mistake more than were made.

    Args:
        right: (P,) probabilities of pairs for which the answer is right.
        wrong: (Q,) of those for which it is wrong.

    Returns:
        Six decimals; an answer is given above it, not at it. None where no threshold will do.
    """
    chances = np.concatenate([right, wrong])
    candidates = np.unique(np.append(np.ceil(chances[chances > 0.5] * 10**PLACES) / 10**PLACES, 0.5))
    hits = (len(right) - np.searchsorted(np.sort(right), candidates, side="right")) / max(len(right), 1)
    missed = len(wrong) - np.searchsorted(np.sort(wrong), candidates, side="right")
    misses = (missed + 1) / (len(wrong) + 1)
    good = candidates[(misses <= WRONG * (misses + hits) + 1e-12) & (hits > 0)]
    return float(round(good[0], PLACES)) if len(good) else None


def _sides(rows: pd.DataFrame, temperature: float) -> Sides:
    same, logits = labels_and_logits(rows)
    chances = calibration.probabilities(logits, temperature)
    return chances[same], chances[~same]


def _outcome(sides: Sides, above: float, below: float) -> Outcome:
    called_same = [float((chances > above).mean()) for chances in sides]
    called_different = [float((chances < below).mean()) for chances in sides]
    answered = (sum(called_same) + sum(called_different)) / 2
    wrong = (called_same[1] + called_different[0]) / 2
    share = round(wrong / answered, DIGITS) if answered else None
    return Outcome(answered=round(answered, DIGITS), wrong=share)


def _words(same: bool, different: bool) -> str:
    limit = f"on valid at most {WRONG:.0%} of the answers are wrong"
    if same and different:
        return limit
    if not same and not different:
        return f"nothing is answered: valid has too few pairs, or the model is too often wrong, for {WRONG:.0%}"
    return f"only {'same' if same else 'different'} is ever answered, the other never surely enough; {limit}"


def write(made: Decision) -> None:
    """Write `data/decision.json`."""
    documents.write_json(paths.DECISION, made.model_dump())


def read() -> Decision:
    """Read `data/decision.json`.

    Raises:
        ShoepairError: it is missing, of another format, or its content is not that of a decision.
    """
    fix = "run `dvc repro`, which sets the thresholds"
    document = documents.read_json(paths.DECISION, fix)
    if document.get("format") != FORMAT:
        found = f"{paths.DECISION}: format {document.get('format', 'nothing')}, expected {FORMAT}"
        raise ShoepairError(found, fix=f"delete it and {fix}")
    try:
        return Decision.model_validate(document)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        found = f"{paths.DECISION}: not a decision"
        raise ShoepairError(found, problems=problems, fix=f"delete it and {fix}") from None
