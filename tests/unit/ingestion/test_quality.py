"""Image stats of photos, and quality flags."""

from __future__ import annotations

from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from skimage.measure import blur_effect
from support.field import write_class
from support.measures import EDGE, measured

from shoepair.ingestion import decoding, file_manifest, phash, quality, validation
from shoepair.synthetic import synthetic_class


@pytest.fixture(scope="module")
def synthetic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of one synthetic student."""
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic_class.write_synthetic_class(folder, 1, 1, 7)
    return folder


def test_measures_are_what_they_say(tmp_path: Path) -> None:
    grey = np.full((EDGE, EDGE, 3), 51, np.uint8)
    grey[: EDGE // 2] = 204
    stats = measured(Image.fromarray(grey), tmp_path / "a.png")
    assert (stats["width"], stats["height"]) == (EDGE, EDGE)
    assert (stats["grey_1"], stats["grey_5"], stats["grey_99"]) == (0.2, 0.2, 0.8)
    assert measured(Image.new("RGB", (300, 400), "white"), tmp_path / "b.png")["blur"] == 1.0
    tall = measured(Image.new("RGB", (300, 400), "white"), tmp_path / "c.png")
    assert (tall["width"], tall["height"]) == (300, 400)
    assert phash.decode_phash_bytes(pd.DataFrame([stats])).shape == (
        1,
        len(phash.CROP_FRAMES) + 1,
        phash.HASH_BITS // 8,
    )


def make_grey(kind: str, edge: int) -> NDArray[np.uint8]:
    """Return a grey photo of a kind: (edge, edge)."""
    rng = np.random.default_rng(edge)
    noise = rng.integers(0, 256, (edge, edge), np.uint8)
    photos = {
        "noise": noise,
        "two greys": noise // 128 * 17,
        "smooth": np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(3))),
        "squares": noise[::16, ::16].repeat(16, 0).repeat(16, 1),
        "columns": noise[:1].repeat(edge, 0),
        "rows": noise[:, :1].repeat(edge, 1),
        "one pixel": np.pad(np.full((1, 1), 9, np.uint8), ((3, edge - 4), (5, edge - 6))),
        "one corner": np.pad(np.full((1, 1), 9, np.uint8), (0, edge - 1)),
    }
    return photos[kind]


@pytest.mark.parametrize("edge", [16, 80, EDGE])
@pytest.mark.parametrize(
    "kind", ["noise", "two greys", "smooth", "squares", "columns", "rows", "one pixel", "one corner"]
)
def test_blur_and_brightness_are_those_of_the_libraries(kind: str, edge: int) -> None:
    grey = make_grey(kind, edge)
    assert quality.measure_blur(grey) == pytest.approx(blur_effect(grey), abs=1e-6 if kind == "one pixel" else 1e-12)
    stats = quality.measure_quality(decoding.DecodedPhoto(grey[..., None].repeat(3, 2), (edge, edge)))
    assert stats["blur"] == round(blur_effect(grey), 4)
    percentiles = np.percentile(grey, quality.GREY_PERCENTS) / 255
    assert [stats[f"grey_{percent}"] for percent in quality.GREY_PERCENTS] == [round(x, 4) for x in percentiles]


@pytest.mark.parametrize("edge", [32, EDGE])
def test_hashes_are_those_of_imagehash(edge: int, synthetic_folder: Path) -> None:
    for path in sorted(path for path in synthetic_folder.rglob("u*") if path.is_file()):
        with Image.open(path) as image:
            grey = image.convert("L").resize((edge, edge))
        bits = np.unpackbits(phash.compute_phashes(np.asarray(grey)), axis=1)
        crops = []
        for left, top in phash.CROP_FRAMES[::9]:
            (x, width), (y, height) = phash.CROP_INTERVALS[left], phash.CROP_INTERVALS[top]
            box = (x * edge, y * edge, (x + width) * edge, (y + height) * edge)
            crops.append(grey.resize((phash.DCT_INPUT_SIZE, phash.DCT_INPUT_SIZE), Image.Resampling.LANCZOS, box))
        expected = np.stack([imagehash.phash(crop, hash_size=phash.HASH_SIZE).hash.ravel() for crop in crops])
        assert (bits[:-1:9] != expected).sum(axis=1).max() <= 6  # imagehash rounds to bytes in between
        mirrored = imagehash.phash(ImageOps.mirror(grey), hash_size=phash.HASH_SIZE).hash.ravel()
        assert (bits[-1] != mirrored).sum() <= 6


def test_uniform_photo_has_no_frequency_but_its_brightness() -> None:
    bits = np.unpackbits(phash.compute_phashes(np.full((EDGE, EDGE), 77, np.uint8)), axis=1)
    assert (bits.sum(axis=1) == 1).all()
    assert bits[:, 0].all()


def test_without_thresholds_nothing_is_flagged(tmp_path: Path) -> None:
    write_class(tmp_path / "new")
    result = validation.validate_batch(tmp_path / "new", file_manifest.build_manifest(tmp_path / "new"), 32)
    assert result.flagged_paths == {}
