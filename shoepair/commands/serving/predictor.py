"""Prediction for two photos of shoes: one of three verdicts, with reasons and advice.

Photos are prepared as by the pipeline: decoded, turned upright, cropped and scaled by `decoding`, converted to floats
by `store`, and checked by `quality` with the thresholds of stage `validate`. For a flagged photo the verdict is "not
sure": the model was trained on few such photos, so its score is unreliable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoepair.data import store
from shoepair.evaluation import thresholds
from shoepair.evaluation.thresholds import DecisionRule
from shoepair.ingestion import decoding, quality
from shoepair.ingestion.config import NormalizeConfig, ValidateConfig
from shoepair.models import inference, registry
from shoepair.reports.formatting import format_percent
from shoepair.runtime import params

SAME_VERDICT, DIFFERENT_VERDICT, NOT_SURE_VERDICT = "same pair", "different pairs", "not sure"
SCORE_BATCH = 32  # pairs per forward pass; does not change results
SCORE_DIGITS = 4  # of a score in JSON
ISSUE_TEXTS = {  # quality flag -> what is wrong, and what to do
    "blurred": ("is blurred", "hold the camera still and let it focus, then take it again"),
    "dark": ("is too dark", "take it again with more light"),
    "overexposed": ("is too bright", "take it again with less light, or away from the sun"),
    "low_contrast": ("has hardly any contrast", "take it again on a floor of another colour than the shoe"),
    "tiny": ("is too small", "go closer, or use a larger picture"),
}


@dataclass(frozen=True)
class ShoePhoto:
    """One prepared photo and its quality issues."""

    pixels: NDArray[np.uint8]  # (S, S, 3) bytes
    issues: tuple[str, ...] = ()  # quality flags, keys of `ISSUE_TEXTS`


@dataclass(frozen=True)
class Prediction:
    """The prediction for two photos: verdict, score, reasons, advice."""

    verdict: str  # `SAME_VERDICT`, `DIFFERENT_VERDICT` or `NOT_SURE_VERDICT`
    score: float  # probability that they are a pair, 0..1
    reasons: tuple[str, ...]  # why this verdict, sentences
    advice: tuple[str, ...]  # what to do now, sentences

    @property
    def is_sure(self) -> bool:
        """Whether the verdict is not "not sure"."""
        return self.verdict != NOT_SURE_VERDICT

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as a JSON-serializable dict."""
        texts = {"reasons": list(self.reasons), "advice": list(self.advice)}
        return {"verdict": self.verdict, "score": round(self.score, SCORE_DIGITS), **texts}


@dataclass(frozen=True)
class PairPredictor:
    """The selected model with its thresholds; built by `load_predictor`."""

    decision_rule: DecisionRule  # thresholds and temperature
    model: torch.nn.Module  # in evaluation mode
    edge: int  # S, of a prepared photo, in pixels
    validate_config: ValidateConfig  # thresholds of the quality flags

    def prepare_photo(self, source: Path | bytes, max_pixels: int = decoding.MAX_PIXELS) -> ShoePhoto:
        """Decode one photo as the pipeline would store it, and flag its quality issues.

        Raises:
            PhotoError: it cannot be decoded, or has more than `max_pixels` pixels.
        """
        photo = decoding.decode_photo(source, self.edge, max_pixels)
        stats = pd.DataFrame([quality.measure_quality(photo) | {"path": ""}])
        return ShoePhoto(photo.pixels, tuple(quality.photo_paths_by_flag(stats, self.validate_config, self.edge)))

    def compute_logits(self, pairs: Sequence[tuple[ShoePhoto, ShoePhoto]]) -> NDArray[np.float64]:
        """Compute the logits of (left, right) pairs: (P,), same minus different.

        Raises:
            ShoepairError: a logit is not finite.
        """
        batches = [pairs[start : start + SCORE_BATCH] for start in range(0, len(pairs), SCORE_BATCH)]
        with torch.inference_mode():
            logits = [self.model(stack_pair_images(batch)).double() for batch in batches]  # each (B, 2)
        joined = torch.cat([batch[:, 1] - batch[:, 0] for batch in logits]) if logits else torch.empty(0)
        inference.raise_if_not_finite(joined, self.decision_rule.model)
        return joined.double().numpy()

    def predict(self, left: ShoePhoto, right: ShoePhoto) -> Prediction:
        """Predict the verdict for two photos."""
        score = self.decision_rule.calibrated_probability(float(self.compute_logits([(left, right)])[0]))
        return make_prediction(self.decision_rule, score, {"the left shoe": left, "the right shoe": right})


def stack_pair_images(pairs: Sequence[tuple[ShoePhoto, ShoePhoto]]) -> Tensor:
    """Stack photo pairs into model input: (B, 3, 2S, S) float32 of -0.5..0.5, channels last in memory."""
    stacked = np.stack([np.concatenate([left.pixels, right.pixels]) for left, right in pairs])  # (B, 2S, S, 3)
    return torch.from_numpy(store.scale_to_centred_float(stacked)).movedim(3, 1)


def load_predictor() -> PairPredictor:
    """Load the selected model with its thresholds and the parameters of photo preparation.

    Raises:
        ShoepairError: the pipeline in the current directory has not run yet, or a file of it is damaged.
    """
    rule = thresholds.read_decision_rule()
    model = registry.load_model(rule.model).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    edge = params.load(NormalizeConfig).edge
    loaded = PairPredictor(rule, model, edge, params.load(ValidateConfig))
    ramp = np.broadcast_to(np.linspace(0, 255, edge, dtype=np.uint8)[:, None, None], (edge, edge, 3))
    loaded.compute_logits([(ShoePhoto(ramp), ShoePhoto(ramp[::-1]))])  # absurd weights are refused now, not when asked
    return loaded


def make_prediction(decision_rule: DecisionRule, score: float, named_photos: dict[str, ShoePhoto]) -> Prediction:
    """Turn a probability into a verdict with reasons and advice; "not sure" if a photo has issues.

    Args:
        decision_rule: the thresholds.
        score: calibrated probability of a pair, 0..1.
        named_photos: the photos by what to call each shoe.
    """
    issues = [(name, *ISSUE_TEXTS[issue]) for name, photo in named_photos.items() for issue in photo.issues]
    if issues:
        reasons = [f"The photo of {name} {problem}." for name, problem, _ in issues]
        advice = [f"Photo of {name}: {remedy}." for name, _, remedy in issues]
        return Prediction(NOT_SURE_VERDICT, score, tuple(reasons), tuple(advice))
    probability = f"The probability that the two shoes are a pair is {format_percent(score)}"
    verdict = decision_rule.verdict_for(score)
    if verdict == "same":
        reason = f"{probability}; above {format_percent(decision_rule.same_above)} the answer is “{SAME_VERDICT}”."
        return Prediction(SAME_VERDICT, score, (reason,), ("The two shoes can be worn together.",))
    if verdict == "different":
        below = format_percent(decision_rule.different_below)
        reason = f"{probability}; below {below} the answer is “{DIFFERENT_VERDICT}”."
        return Prediction(DIFFERENT_VERDICT, score, (reason,), ("Look for another shoe, and check again.",))
    reason = f"{probability}; {_describe_limits(decision_rule)}."
    return Prediction(NOT_SURE_VERDICT, score, (reason,), (RETAKE_ADVICE,))


RETAKE_ADVICE = (
    "Take both photos again: each shoe alone and whole, in the middle of the picture, on the same plain floor, "
    "in even light. If the answer stays the same, ask somebody."
)


def _describe_limits(decision_rule: DecisionRule) -> str:
    """Return the range of probabilities without an answer, in words."""
    low, high = format_percent(decision_rule.different_below), format_percent(decision_rule.same_above)
    never_same, never_different = decision_rule.same_above == 1, decision_rule.different_below == 0
    if never_same and never_different:
        return "this model is not right often enough to give any answer"
    if never_same:
        return f"the answer is “{DIFFERENT_VERDICT}” below {low}, and never “{SAME_VERDICT}”"
    if never_different:
        return f"the answer is “{SAME_VERDICT}” above {high}, and never “{DIFFERENT_VERDICT}”"
    return f"between {low} and {high} the answer is “{NOT_SURE_VERDICT}”"
