"""Two photos of shoes -> one of three verdicts in plain words, with the reason and what to do.

Photos come the pipeline's own way: decoded, turned upright, cropped and scaled by `photos`, scaled to floats by
`store`, judged for light and sharpness by `signs` with the thresholds of stage `validate`. What the network says of a
photo that is flagged there is no answer: it has hardly seen such photos, so that its score means little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoepair.data import store
from shoepair.evaluation import thresholds
from shoepair.evaluation.thresholds import Decision
from shoepair.ingestion import decode, quality
from shoepair.ingestion.config import Normalize, Validate
from shoepair.models import registry
from shoepair.reports.format import percent
from shoepair.runtime import params

SAME, DIFFERENT, NOT_SURE = "same pair", "different pairs", "not sure"
BATCH = 32  # pairs scored at a time; no result depends on it
DIGITS = 4  # of a score that is written for programs
FLAWS = {  # a sign that a photo shows -> what it is, and what to do about it
    "blurred": ("is blurred", "hold the camera still and let it focus, then take it again"),
    "dark": ("is too dark", "take it again with more light"),
    "overexposed": ("is too bright", "take it again with less light, or away from the sun"),
    "low_contrast": ("has hardly any contrast", "take it again on a floor of another colour than the shoe"),
    "tiny": ("is too small", "go closer, or use a larger picture"),
}


@dataclass(frozen=True)
class Shoe:
    """One photo, prepared."""

    pixels: NDArray[np.uint8]  # (S, S, 3) bytes
    flaws: tuple[str, ...] = ()  # what is wrong with it, keys of `FLAWS`


@dataclass(frozen=True)
class Answer:
    """What is said of two shoes."""

    verdict: str  # `SAME`, `DIFFERENT` or `NOT_SURE`
    score: float  # probability that they are a pair, 0..1
    reasons: tuple[str, ...]  # why this verdict, sentences
    advice: tuple[str, ...]  # what to do now, sentences

    @property
    def sure(self) -> bool:
        """Whether an answer was given."""
        return self.verdict != NOT_SURE

    def document(self) -> dict[str, Any]:
        """The answer for programs."""
        told = {"reasons": list(self.reasons), "advice": list(self.advice)}
        return {"verdict": self.verdict, "score": round(self.score, DIGITS), **told}


@dataclass(frozen=True)
class Judge:
    """The best model, ready to be asked; built by `appoint`."""

    rule: Decision  # thresholds of the verdicts
    model: torch.nn.Module  # its network
    edge: int  # S, of a photo as the network takes it, in pixels
    policy: Validate  # from which values on a photo is flagged

    def prepare(self, source: Path | BinaryIO, most: int = decode.PIXELS) -> Shoe:
        """One photo of at most so many pixels, as the pipeline would store it, and what is wrong with it.

        Raises:
            PhotoError: it cannot be used.
        """
        photo = decode.decode_photo(source, self.edge, most)
        measured = pd.DataFrame([quality.quality(photo) | {"path": ""}])
        return Shoe(photo.pixels, tuple(quality.flags(measured, self.policy, self.edge)))

    def logits(self, pairs: Sequence[tuple[Shoe, Shoe]]) -> NDArray[np.float64]:
        """What the network says of pairs of (left, right): (P,) logits, same minus different."""
        parts = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)]
        with torch.inference_mode():
            both = [self.model(pair_images(part)).double() for part in parts]  # each (B, 2)
        return torch.cat([part[:, 1] - part[:, 0] for part in both]).numpy() if both else np.empty(0)

    def judge(self, left: Shoe, right: Shoe) -> Answer:
        """The verdict over two shoes."""
        score = self.rule.probability(float(self.logits([(left, right)])[0]))
        return answer(self.rule, score, {"the left shoe": left, "the right shoe": right})


def pair_images(pairs: Sequence[tuple[Shoe, Shoe]]) -> Tensor:
    """Pairs as the networks take them: (B, 3, 2S, S) float32 of -0.5..0.5, channels last in memory."""
    stacked = np.stack([np.concatenate([left.pixels, right.pixels]) for left, right in pairs])  # (B, 2S, S, 3)
    return torch.from_numpy(store.scaled(stacked)).movedim(3, 1)


def appoint() -> Judge:
    """The judge whom the pipeline in the current directory chose.

    Raises:
        ShoepairError: the pipeline has not run yet, or what it left is damaged.
    """
    rule = thresholds.read()
    model = registry.load(rule.model).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Judge(rule, model, params.load(Normalize).edge, params.load(Validate))


def answer(rule: Decision, score: float, shown: dict[str, Shoe]) -> Answer:
    """The words for a score; `shown`: what to call each shoe -> the shoe."""
    flaws = [(name, *FLAWS[flaw]) for name, shoe in shown.items() for flaw in shoe.flaws]
    if flaws:
        reasons = [f"The photo of {name} {what}." for name, what, _ in flaws]
        advice = [f"Photo of {name}: {do}." for name, _, do in flaws]
        return Answer(NOT_SURE, score, tuple(reasons), tuple(advice))
    chance = f"The chance that the two shoes are a pair is {percent(score)}"
    verdict = rule.verdict(score)
    if verdict == "same":
        reason = f"{chance}; above {percent(rule.same_above)} the answer is “{SAME}”."
        return Answer(SAME, score, (reason,), ("The two shoes can be worn together.",))
    if verdict == "different":
        reason = f"{chance}; below {percent(rule.different_below)} the answer is “{DIFFERENT}”."
        return Answer(DIFFERENT, score, (reason,), ("Look for another shoe, and check again.",))
    return Answer(NOT_SURE, score, (f"{chance}; {_limits(rule)}.",), (AGAIN,))


AGAIN = (
    "Take both photos again: each shoe alone and whole, in the middle of the picture, on the same plain floor, "
    "in even light. If the answer stays the same, ask somebody."
)


def _limits(rule: Decision) -> str:
    """Between what there is no answer."""
    never_same, never_different = rule.same_above == 1, rule.different_below == 0
    if never_same and never_different:
        return "this model is not right often enough to give any answer"
    if never_same:
        return f"“{DIFFERENT}” is said below {percent(rule.different_below)}, and “{SAME}” never"
    if never_different:
        return f"“{SAME}” is said above {percent(rule.same_above)}, and “{DIFFERENT}” never"
    low, high = percent(rule.different_below), percent(rule.same_above)
    return f"between {low} and {high} it is too uncertain to say"
