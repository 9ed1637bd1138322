"""`shoepair check` with two photos: verdicts, texts, exit statuses, preparation of photos."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import usage
from support.field import EDGE, edit
from typer.testing import CliRunner

from benchmarks.heif_files import encode_tile, make_heif
from shoepair.commands.main import app
from shoepair.commands.serving import predictor
from shoepair.commands.serving.predictor import DIFFERENT_VERDICT, NOT_SURE_VERDICT, SAME_VERDICT, ShoePhoto
from shoepair.evaluation.thresholds import AnswerRates, DecisionRule
from shoepair.ingestion import decoding, heif_structure
from shoepair.models import registry
from shoepair.reports.formatting import format_percent
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

RULE = usage.rule(temperature=2.0)
rng = np.random.default_rng(1)
OTHER = ShoePhoto(rng.integers(0, 255, (EDGE, EDGE, 3), np.uint8))
GREY = ShoePhoto(np.full((EDGE, EDGE, 3), 90, np.uint8))


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, usage.Pair]:
    monkeypatch.chdir(tmp_path)
    return usage.furnish(tmp_path)


def check(*words: object) -> tuple[int, str]:
    """Return exit status and output, or the message of an error."""
    result = CliRunner().invoke(app, ["check", *map(str, words)])
    if isinstance(result.exception, ShoepairError):
        return 1, str(result.exception)
    return result.exit_code, result.output


@given(logit=st.floats(-1e6, 1e6), temperature=st.floats(0.01, 100))
def test_probability_is_the_logistic_function_of_logit_over_temperature(logit: float, temperature: float) -> None:
    probability = usage.rule(temperature=temperature).calibrated_probability(logit)
    power = max(min(-logit / temperature, 700.0), -700.0)
    assert probability == pytest.approx(1 / (1 + math.exp(power)), abs=1e-12)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (1.0, SAME_VERDICT),
        (0.81, SAME_VERDICT),
        (0.8, NOT_SURE_VERDICT),
        (0.5, NOT_SURE_VERDICT),
        (0.2, NOT_SURE_VERDICT),
        (0.19, DIFFERENT_VERDICT),
        (0.0, DIFFERENT_VERDICT),
    ],
)
def test_answer_is_given_beyond_its_threshold(score: float, verdict: str) -> None:
    answer = predictor.make_prediction(RULE, score, {"the left shoe": GREY, "the right shoe": OTHER})
    assert answer.verdict == verdict
    assert len(answer.reasons) == len(answer.advice) == 1


@pytest.mark.parametrize("rule", [usage.rule(same_above=1.0), usage.rule(different_below=0.0)])
def test_answer_without_a_threshold_is_never_given(rule: DecisionRule) -> None:
    answers = {score: predictor.make_prediction(rule, score, {"a": GREY}) for score in (0.0, 0.1, 0.5, 0.9, 1.0)}
    never = SAME_VERDICT if rule.same_above == 1 else DIFFERENT_VERDICT
    assert never not in {answer.verdict for answer in answers.values()}
    assert "never" in answers[0.5].reasons[0]


def test_model_without_thresholds_is_never_sure() -> None:
    answer = predictor.make_prediction(usage.rule(same_above=1.0, different_below=0.0), 1.0, {"a": GREY})
    assert answer.verdict == NOT_SURE_VERDICT
    assert "not right often enough" in answer.reasons[0]


@pytest.mark.parametrize(
    ("score", "verdict", "errors"),
    [
        (0.9, "probably same pair", "Of 40 people whose shoes were tested and who got this answer, 2 got a wrong one"),
        (0.1, "probably different pairs", None),
        (0.97, SAME_VERDICT, None),
    ],
)
def test_probable_answer_says_how_often_it_was_wrong(score: float, verdict: str, errors: str | None) -> None:
    counted = {"students": 40, "wrong": 2, "low": 0.006, "high": 0.169}
    nobody = {"students": 0, "wrong": 0, "low": 0.0, "high": 1.0}
    shares = {"answered": 0.5, "wrong": 0.05, "sure": 0.1, "sure_wrong": 0.0}
    rates = AnswerRates.model_validate(shares | {"same": counted, "different": nobody})
    rule = usage.rule(sure_same_above=0.95, sure_different_below=0.0, sets={"test": rates})
    answer = predictor.make_prediction(rule, score, {"the left shoe": GREY, "the right shoe": OTHER})
    assert (answer.verdict, answer.is_sure) == (verdict, verdict == SAME_VERDICT)
    assert (len(answer.reasons) == 2) == (errors is not None)
    if errors:
        assert answer.reasons[1] == f"{errors}: 5 %, with 95 % confidence under 1 % to 17 %."


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"photographed": 0, "drawn": 80}, "This program learnt from drawings, not from photos; do not rely on it."),
        ({"right": None}, "This program learnt from photos of the shoes of 60 people; it was tested on nobody else."),
        (
            {},
            "This program learnt from photos of the shoes of 60 people; of 33 others it told 91 % of the pairs right "
            "(95 % confidence: 84 % to 96 %).",
        ),
    ],
)
def test_what_was_learnt_from_is_said(change: dict[str, object], sentence: str) -> None:
    rule = usage.rule(learning=usage.rule().learning.model_copy(update=change))
    answer = predictor.make_prediction(rule, 0.99, {"a": GREY, "b": OTHER})
    assert answer.learning == answer.to_dict()["learning"] == sentence


def textured(seed: int) -> ShoePhoto:
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    return ShoePhoto(np.asarray(Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("mirrored", [False, True])
def test_same_photo_twice_is_no_pair(mirrored: bool) -> None:
    photo = textured(1)
    copy = ShoePhoto(photo.pixels[:, ::-1] if mirrored else photo.pixels)
    answer = predictor.make_prediction(RULE, 0.99, {"the left shoe": photo, "the right shoe": copy})
    assert (answer.verdict, answer.is_sure) == ("same shoe twice", False)
    assert "this looks like the same shoe twice" in answer.reasons[0]
    other = predictor.make_prediction(RULE, 0.99, {"the left shoe": photo, "the right shoe": textured(2)})
    assert other.verdict == SAME_VERDICT


def test_photo_without_a_shoe_is_told_by_the_detector(pairs: dict[str, usage.Pair]) -> None:
    def find(pixels: np.ndarray) -> tuple[str, ...]:
        assert pixels.shape == (EDGE, EDGE, 3)
        return ("no_shoe",)

    loaded = replace(predictor.load_predictor(), detector=usage.FakeDetector(find))
    left, right = map(loaded.prepare_photo, pairs[SAME_VERDICT])
    answer = loaded.predict(left, right)
    assert answer.verdict == NOT_SURE_VERDICT
    assert answer.reasons[0] == "The photo of the left shoe shows no shoe."


def test_flawed_photo_gets_no_answer_but_its_reason() -> None:
    dark = ShoePhoto(GREY.pixels, ("dark", "tiny"))
    answer = predictor.make_prediction(RULE, 0.99, {"the left shoe": GREY, "the right shoe": dark})
    assert answer.verdict == NOT_SURE_VERDICT
    assert answer.reasons == (
        "The photo of the right shoe is too dark.",
        "The photo of the right shoe is too small.",
    )
    assert answer.advice[0] == "Photo of the right shoe: take it again with more light."


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1e-4, "under 1 %"), (0.5, "50 %"), (0.999, "over 99 %"), (1.0, "100 %")]
)
def test_rounding_claims_no_certainty(share: float, text: str) -> None:
    assert format_percent(share) == text


@pytest.mark.parametrize(("verdict", "status"), [(SAME_VERDICT, 0), (DIFFERENT_VERDICT, 0), (NOT_SURE_VERDICT, 3)])
def test_verdict_stands_alone_on_the_first_line(pairs: dict[str, usage.Pair], verdict: str, status: int) -> None:
    exit_status, output = check(*pairs[verdict])
    assert exit_status == status
    assert output.splitlines()[0] == verdict
    assert len(output.splitlines()) == 4
    assert output.splitlines()[3].startswith("This program learnt from photos of the shoes of 60 people; of 33 others")


def test_verdict_for_programs(pairs: dict[str, usage.Pair]) -> None:
    status, output = check("--json", *pairs[SAME_VERDICT])
    document = json.loads(output)
    assert status == 0
    assert list(document) == ["verdict", "sure", "score", "reasons", "advice", "learning"]
    assert document["verdict"] == SAME_VERDICT
    assert 0 < document["score"] <= 1


def test_photos_flagged_by_the_pipelines_thresholds_get_no_answer(pairs: dict[str, usage.Pair]) -> None:
    edit(paths.PARAMS, "min_size: 1.0", "min_size: 2.0")
    status, output = check(*pairs[SAME_VERDICT])
    assert status == 3
    assert "The photo of the left shoe is too small." in output
    assert "go closer" in output


def test_phone_photo_is_turned_by_its_exif_orientation(pairs: dict[str, usage.Pair], tmp_path: Path) -> None:
    left, right = pairs[SAME_VERDICT]
    upright = tmp_path / "upright.png"
    turned = tmp_path / "turned.jpg"
    with Image.open(left) as picture:
        large = picture.convert("RGB").resize((320, 320))
        large.save(upright)
        exif = Image.Exif()
        exif[decoding.EXIF_ORIENTATION_TAG] = 6
        large.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=100, subsampling=0)
    scores = [json.loads(check("--json", path, right)[1])["score"] for path in (upright, turned)]
    assert scores[1] == pytest.approx(scores[0], abs=0.02)


def test_bytes_in_memory_are_decoded_like_the_file(pairs: dict[str, usage.Pair]) -> None:
    loaded = predictor.load_predictor()
    path = pairs[SAME_VERDICT][0]
    assert (loaded.prepare_photo(path).pixels == loaded.prepare_photo(path.read_bytes()).pixels).all()


@pytest.mark.parametrize(("brand", "codec"), [(b"heic", heif_structure.HEVC), (b"avif", heif_structure.AV1)])
def test_heic_and_avif_are_read(pairs: dict[str, usage.Pair], brand: bytes, codec: bytes, tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    with Image.open(pairs[SAME_VERDICT][0]) as image:
        path.write_bytes(make_heif([encode_tile(image.convert("RGB"), codec)], brand))
    status, message = check(path, pairs[SAME_VERDICT][1])
    assert status == 0, message


def test_heic_that_plays_is_refused_by_name(pairs: dict[str, usage.Pair], tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x18ftyphevc" + bytes(100))
    status, message = check(path, pairs[SAME_VERDICT][1])
    assert status == 1
    assert "a film, or a burst that plays, expected a single picture" in message
    assert "is a film or a burst; choose a single photo of it" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no.jpg", "where.jpg"], "no.jpg: no such file or folder"),
        (["params.yaml"], "check: one photo, params.yaml, expected two, or one folder"),
        (["params.yaml", "data"], "data: not a file, expected two photos"),
        (["params.yaml", "dvc.yaml"], "params.yaml: cannot be decoded (not a JPEG, HEIC, PNG, WebP or AVIF image)"),
    ],
)
def test_wrong_call_is_one_line(pairs: dict[str, usage.Pair], words: list[str], message: str) -> None:  # noqa: ARG001
    status, output = check(*words)
    assert status == 1
    assert output.startswith(message)


def test_help_lists_the_exit_statuses() -> None:
    output = " ".join(check("--help")[1].split())
    assert "Exit status: 0 sure, 3 not sure" in output


@pytest.mark.parametrize("value", [1e38, math.nan, math.inf])
def test_model_with_absurd_weights_answers_nothing(pairs: dict[str, usage.Pair], value: float) -> None:
    name = usage.rule().model
    weights = {
        key: torch.full_like(tensor, value) if tensor.ndim else tensor
        for key, tensor in registry.copy_weights(registry.load_model(name)).items()
    }
    registry.save_weights(paths.weights_path(name), weights)
    message = rf"^models/{name}\.safetensors: (gives logits|weights) that are not finite"
    with pytest.raises(ShoepairError, match=message):
        predictor.load_predictor()
    status, output = check("--json", *pairs[SAME_VERDICT])
    assert status == 1
    assert "not finite" in output
