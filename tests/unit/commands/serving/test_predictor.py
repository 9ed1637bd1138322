"""`shoepair check` with two photos: the decision, the words, the exit statuses, and the pipeline's own preparation."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import usage
from support.field import EDGE, edit
from typer.testing import CliRunner

from shoepair.commands.main import app
from shoepair.commands.serving import predictor
from shoepair.commands.serving.predictor import DIFFERENT, NOT_SURE, SAME, Shoe
from shoepair.evaluation.thresholds import Decision
from shoepair.ingestion import decode
from shoepair.reports.format import percent
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

RULE = usage.rule(temperature=2.0)
GREY = Shoe(np.full((EDGE, EDGE, 3), 90, np.uint8))


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, usage.Pair]:
    monkeypatch.chdir(tmp_path)
    return usage.furnish(tmp_path)


def check(*words: object) -> tuple[int, str]:
    """Exit status and output; of a user's mistake its message."""
    done = CliRunner().invoke(app, ["check", *map(str, words)])
    if isinstance(done.exception, ShoepairError):
        return 1, str(done.exception)
    return done.exit_code, done.output


@given(logit=st.floats(-1e6, 1e6), temperature=st.floats(0.01, 100))
def test_probability_is_the_logistic_function_of_logit_over_temperature(logit: float, temperature: float) -> None:
    got = usage.rule(temperature=temperature).probability(logit)
    power = max(min(-logit / temperature, 700.0), -700.0)
    assert got == pytest.approx(1 / (1 + math.exp(power)), abs=1e-12)


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (1.0, SAME),
        (0.81, SAME),
        (0.8, NOT_SURE),
        (0.5, NOT_SURE),
        (0.2, NOT_SURE),
        (0.19, DIFFERENT),
        (0.0, DIFFERENT),
    ],
)
def test_answer_is_given_beyond_its_threshold(score: float, verdict: str) -> None:
    given = predictor.answer(RULE, score, {"the left shoe": GREY, "the right shoe": GREY})
    assert given.verdict == verdict
    assert len(given.reasons) == len(given.advice) == 1


@pytest.mark.parametrize("rule", [usage.rule(same_above=1.0), usage.rule(different_below=0.0)])
def test_answer_without_a_threshold_is_never_given(rule: Decision) -> None:
    given = {score: predictor.answer(rule, score, {"a": GREY}) for score in (0.0, 0.1, 0.5, 0.9, 1.0)}
    never = SAME if rule.same_above == 1 else DIFFERENT
    assert never not in {answer.verdict for answer in given.values()}
    assert "never" in given[0.5].reasons[0]


def test_network_without_thresholds_is_never_sure() -> None:
    given = predictor.answer(usage.rule(same_above=1.0, different_below=0.0), 1.0, {"a": GREY})
    assert given.verdict == NOT_SURE
    assert "not right often enough" in given.reasons[0]


def test_flawed_photo_gets_no_answer_but_its_reason() -> None:
    dark = Shoe(GREY.pixels, ("dark", "tiny"))
    given = predictor.answer(RULE, 0.99, {"the left shoe": GREY, "the right shoe": dark})
    assert given.verdict == NOT_SURE
    assert given.reasons == (
        "The photo of the right shoe is too dark.",
        "The photo of the right shoe is too small.",
    )
    assert given.advice[0] == "Photo of the right shoe: take it again with more light."


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1e-4, "under 1 %"), (0.5, "50 %"), (0.999, "over 99 %"), (1.0, "100 %")]
)
def test_rounding_claims_no_certainty(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("verdict", "status"), [(SAME, 0), (DIFFERENT, 0), (NOT_SURE, 3)])
def test_verdict_stands_alone_on_the_first_line(pairs: dict[str, usage.Pair], verdict: str, status: int) -> None:
    got, output = check(*pairs[verdict])
    assert got == status
    assert output.splitlines()[0] == verdict
    assert len(output.splitlines()) == 3


def test_verdict_for_programs(pairs: dict[str, usage.Pair]) -> None:
    status, output = check("--json", *pairs[SAME])
    document = json.loads(output)
    assert status == 0
    assert list(document) == ["verdict", "score", "reasons", "advice"]
    assert document["verdict"] == SAME
    assert 0 < document["score"] <= 1


def test_photos_flagged_by_the_pipelines_thresholds_get_no_answer(pairs: dict[str, usage.Pair]) -> None:
    edit(paths.PARAMS, "tiny: 1.0", "tiny: 2.0")
    status, output = check(*pairs[SAME])
    assert status == 3
    assert "The photo of the left shoe is too small." in output
    assert "go closer" in output


def test_phone_photo_is_turned_as_its_exif_tells(pairs: dict[str, usage.Pair], tmp_path: Path) -> None:
    left, right = pairs[SAME]
    upright = tmp_path / "upright.png"
    turned = tmp_path / "turned.jpg"
    with Image.open(left) as picture:
        large = picture.convert("RGB").resize((320, 320))
        large.save(upright)
        exif = Image.Exif()
        exif[decode.ORIENTATION] = 6
        large.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=100, subsampling=0)
    scores = [json.loads(check("--json", path, right)[1])["score"] for path in (upright, turned)]
    assert scores[1] == pytest.approx(scores[0], abs=0.02)


def test_bytes_in_memory_are_decoded_like_the_file(pairs: dict[str, usage.Pair]) -> None:
    judge = predictor.appoint()
    path = pairs[SAME][0]
    assert (judge.prepare(path).pixels == judge.prepare(io.BytesIO(path.read_bytes())).pixels).all()


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"avif"])
def test_heic_is_refused_by_name(pairs: dict[str, usage.Pair], brand: bytes, tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(100))
    status, message = check(path, pairs[SAME][1])
    assert status == 1
    assert "a HEIC or AVIF image, expected PNG, JPEG or WebP: export it as JPEG" in message
    assert "PNG, JPEG and WebP photos are read" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no.jpg", "where.jpg"], "no.jpg: no such file or folder"),
        (["params.yaml"], "check: one photo, params.yaml, expected two, or one folder"),
        (["params.yaml", "data"], "data: not a file, expected two photos"),
        (["params.yaml", "dvc.yaml"], "params.yaml: cannot be decoded (not a PNG, JPEG or WebP image)"),
    ],
)
def test_wrong_call_is_told_in_one_line(pairs: dict[str, usage.Pair], words: list[str], message: str) -> None:  # noqa: ARG001
    status, output = check(*words)
    assert status == 1
    assert output.startswith(message)


def test_help_tells_the_exit_statuses() -> None:
    output = " ".join(check("--help")[1].split())
    assert "Exit status: 0 an answer was given, 3 not sure" in output
