"""Prediction for two photos of shoes: a verdict, with advice and reasons.

A verdict is sure, probable (evaluation/thresholds.py) or "not sure"; or it is the same shoe twice.

Photos are prepared as by the pipeline: decoded, turned upright, cropped and scaled by `decoding`, converted to floats
by `store`, and checked by `quality` with the thresholds of stage `validate`. For a flagged photo the verdict is "not
sure": the model was trained on few such photos, so its score is unreliable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from shoepair.commands.serving import described_photos, photo_copies, shoe_detector
from shoepair.commands.serving.described_photos import DescribedPhoto
from shoepair.commands.serving.photo_issues import ISSUE_TEXTS, ShoeDetector
from shoepair.data import store
from shoepair.evaluation import thresholds
from shoepair.evaluation.thresholds import DecisionRule, Learning, Verdict
from shoepair.ingestion import decoding, phash, quality
from shoepair.ingestion.config import NormalizeConfig, ValidateConfig
from shoepair.models import inference, registry
from shoepair.models.base import Model
from shoepair.models.pretrained import PretrainedModel
from shoepair.reports.formatting import format_percent
from shoepair.runtime import params

SAME_VERDICT, DIFFERENT_VERDICT, NOT_SURE_VERDICT = "same pair", "different pairs", "not sure"
PROBABLY_SAME_VERDICT, PROBABLY_DIFFERENT_VERDICT = f"probably {SAME_VERDICT}", f"probably {DIFFERENT_VERDICT}"
COPY_VERDICT = "same shoe twice"
SCORE_BATCH = 32  # pairs per forward pass; does not change results
SCORE_DIGITS = 4  # of a score in JSON


@dataclass(frozen=True)
class ShoePhoto:
    """One prepared photo and its quality issues."""

    pixels: NDArray[np.uint8]  # (S, S, 3) bytes
    issues: tuple[str, ...] = ()  # keys of `photo_issues.ISSUE_TEXTS`
    described: DescribedPhoto | None = None  # what a model on a pretrained network compares

    @cached_property
    def hashes(self) -> NDArray[np.uint8]:
        """Its perceptual hashes, (frames + 1, 32)."""
        return phash.compute_phashes(np.asarray(Image.fromarray(np.ascontiguousarray(self.pixels)).convert("L")))


@dataclass(frozen=True)
class Prediction:
    """The prediction for two photos: verdict, score, reasons, advice."""

    verdict: str  # one of the verdicts above
    score: float  # probability that they are a pair, 0..1
    reasons: tuple[str, ...]  # why this verdict, sentences
    advice: tuple[str, ...]  # what to do now, sentences
    learning: str = ""  # what the model learnt from and how right it is, a sentence

    @property
    def is_sure(self) -> bool:
        """Whether the verdict is one to rely on."""
        return self.verdict in {SAME_VERDICT, DIFFERENT_VERDICT}

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as a JSON-serializable dict."""
        numbers = {"sure": self.is_sure, "score": round(self.score, SCORE_DIGITS)}
        texts = {"reasons": list(self.reasons), "advice": list(self.advice), "learning": self.learning}
        return {"verdict": self.verdict, **numbers, **texts}


@dataclass(frozen=True)
class PairPredictor:
    """The selected model with its thresholds; built by `load_predictor`."""

    decision_rule: DecisionRule  # thresholds and temperature
    model: Model  # in evaluation mode
    edge: int  # S, of a prepared photo, in pixels
    validate_config: ValidateConfig  # thresholds of the quality flags
    detector: ShoeDetector | None = None  # finds photos without one whole shoe

    def prepare_photo(self, source: Path | bytes, max_pixels: int = decoding.MAX_PIXELS) -> ShoePhoto:
        """Decode one photo as the pipeline would store it, note its issues, and describe it for the model.

        Raises:
            PhotoError: it cannot be decoded, or has more than `max_pixels` pixels.
        """
        photo = decoding.decode_photo(source, self.edge, max_pixels)
        stats = pd.DataFrame([quality.measure_quality(photo) | {"path": ""}])
        flags = tuple(quality.photo_paths_by_flag(stats, self.validate_config, self.edge))
        if not isinstance(self.model, PretrainedModel):
            found = self.detector.find_issues(photo.pixels) if self.detector else ()
            return ShoePhoto(photo.pixels, found + flags)
        embedded, config = described_photos.embed(self.model, photo.pixels), self.model.config
        found = ()
        if self.detector:
            is_shared = self.detector.shares_start(config.sha256, config.edge)
            start = embedded[self.model.backbone.tuned_from][:1] if is_shared else None
            found = self.detector.find_issues(photo.pixels, start)
        return ShoePhoto(photo.pixels, found + flags, described_photos.describe(self.model, embedded))

    def describe(self, photo: ShoePhoto) -> DescribedPhoto:
        """Return what the model, one on a pretrained network, compares of a photo."""
        assert isinstance(self.model, PretrainedModel)
        return photo.described or described_photos.describe(
            self.model, described_photos.embed(self.model, photo.pixels)
        )

    def compute_logits(self, pairs: Sequence[tuple[ShoePhoto, ShoePhoto]]) -> NDArray[np.float64]:
        """Compute the logits of (left, right) pairs: (P,), same minus different.

        Raises:
            ShoepairError: a logit is not finite.
        """
        if isinstance(self.model, PretrainedModel):
            logits = [described_photos.compare(self.model, *map(self.describe, pair)) for pair in pairs]
        else:
            batches = [pairs[start : start + SCORE_BATCH] for start in range(0, len(pairs), SCORE_BATCH)]
            with torch.inference_mode():
                logits = [self.model(stack_pair_images(batch)) for batch in batches]  # each (B, 2)
        joined = torch.cat([batch[:, 1].double() - batch[:, 0].double() for batch in logits] or [torch.empty(0)])
        inference.raise_if_not_finite(joined, self.decision_rule.model)
        return joined.double().numpy()

    def compute_logit_matrix(self, photos: Sequence[ShoePhoto], wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Compute the logits of the wanted pairs, (N, N) of left and right, same minus different; NaN elsewhere.

        Raises:
            ShoepairError: a logit is not finite.
        """
        is_pretrained = isinstance(self.model, PretrainedModel)
        described = described_photos.stack([self.describe(photo) for photo in photos]) if is_pretrained else None
        pixels = torch.from_numpy(np.stack([photo.pixels for photo in photos]))
        logits = inference.predict_logit_matrix(self.model, pixels, torch.from_numpy(wanted), described).numpy()
        inference.raise_if_not_finite(torch.from_numpy(logits[wanted]), self.decision_rule.model)
        return logits

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
    if isinstance(model, PretrainedModel):
        model.backbone.merge_norms()
    edge = params.load(NormalizeConfig).edge
    detector = shoe_detector.load_detector() if edge >= shoe_detector.MIN_EDGE else None
    loaded = PairPredictor(rule, model, edge, params.load(ValidateConfig), detector)
    ramp = np.broadcast_to(np.linspace(0, 255, edge, dtype=np.uint8)[:, None, None], (edge, edge, 3))
    loaded.compute_logits([(ShoePhoto(ramp), ShoePhoto(ramp[::-1]))])  # absurd weights are refused now, not when asked
    return loaded


def make_prediction(decision_rule: DecisionRule, score: float, named_photos: dict[str, ShoePhoto]) -> Prediction:
    """Turn a probability into a verdict with advice and reasons; "not sure" if a photo has issues.

    Args:
        decision_rule: the thresholds.
        score: calibrated probability of a pair, 0..1.
        named_photos: the photos by what to call each shoe.
    """
    learning = learning_sentence(decision_rule.learning)
    issues = [(name, *ISSUE_TEXTS[issue]) for name, photo in named_photos.items() for issue in photo.issues]
    if issues:
        reasons = [f"The photo of {name} {problem}." for name, problem, _ in issues]
        advice = [f"Photo of {name}: {remedy}." for name, _, remedy in issues]
        return Prediction(NOT_SURE_VERDICT, score, tuple(reasons), tuple(advice), learning)
    answer = decision_rule.verdict_for(score)
    photos = list(named_photos.values())
    # Only a "same" would be wrong of copies; the hashes take as long as the network.
    if answer == "same" and len(photos) == 2 and photo_copies.are_copies(photos[0].hashes, photos[1].hashes):
        return Prediction(COPY_VERDICT, score, (COPY_REASON,), (COPY_ADVICE,), learning)
    probability = f"The probability that the two shoes are a pair is {format_percent(score)}"
    if answer == "not sure":
        reason = f"{probability}; {_describe_limits(decision_rule)}."
        return Prediction(NOT_SURE_VERDICT, score, (reason,), (RETAKE_ADVICE,), learning)
    if decision_rule.is_sure(score):
        verdict, limit, advice_text = SURE_ANSWERS[answer]
        reason = f"{probability}; {limit} {_format_limit(decision_rule, answer)} the answer is sure."
        return Prediction(verdict, score, (reason,), (advice_text,), learning)
    verdict, advice_text = PROBABLE_ANSWERS[answer]
    reasons = [f"{probability}.", *_describe_errors(decision_rule, answer)]
    return Prediction(verdict, score, tuple(reasons), (advice_text,), learning)


SURE_ANSWERS = {
    "same": (SAME_VERDICT, "above", "The two shoes can be worn together."),
    "different": (DIFFERENT_VERDICT, "below", "Look for another shoe, and check again."),
}
PROBABLE_ANSWERS = {
    "same": (PROBABLY_SAME_VERDICT, "They look like a pair. Ask somebody before you rely on it."),
    "different": (PROBABLY_DIFFERENT_VERDICT, "They do not look like a pair. Look for another shoe, and check again."),
}
COPY_REASON = "Both photos are the same, perhaps mirrored, cut or saved again: this looks like the same shoe twice."
COPY_ADVICE = "Take one photo of the left shoe and one of the right shoe."


def _format_limit(rule: DecisionRule, answer: Verdict) -> str:
    return format_percent(rule.sure_same_above if answer == "same" else rule.sure_different_below)


def _describe_errors(rule: DecisionRule, answer: Verdict) -> list[str]:
    """Return a sentence on how often such an answer was wrong; none where nobody got one."""
    errors = rule.measured_errors(answer)
    if not errors or not errors.students:
        return []
    share, low, high = (format_percent(value) for value in (errors.wrong / errors.students, errors.low, errors.high))
    who = (
        f"Of {errors.students} people whose shoes were tested and who got this answer, {errors.wrong} got a wrong one"
    )
    return [f"{who}: {share}, with 95 % confidence {low} to {high}."]


def learning_sentence(learning: Learning) -> str:
    """Return a sentence on what the model learnt from, and how right it was on the tests."""
    if learning.from_drawings:
        return "This program learnt from drawings, not from photos; do not rely on it."
    learnt = f"This program learnt from photos of the shoes of {learning.photographed} people"
    if learning.right is None or learning.low is None or learning.high is None:
        return f"{learnt}; it was tested on nobody else."
    right, low, high = (format_percent(value) for value in (learning.right, learning.low, learning.high))
    return (
        f"{learnt}; of {learning.tested} others it told {right} of the pairs right (95 % confidence: {low} to {high})."
    )


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
