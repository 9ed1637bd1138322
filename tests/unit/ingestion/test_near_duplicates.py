"""Near-duplicate photos are found however they were changed; the search misses none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from shoepair.ingestion import decoding, near_duplicates, quality
from shoepair.synthetic import synthetic_class

Change = Callable[[Image.Image], Image.Image]
EDGE = 224


@pytest.fixture(scope="module")
def synthetic_photos(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """The photos of four synthetic students."""
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic_class.write_synthetic_class(folder, 2, 1, 5)
    return [Image.open(path).convert("RGB") for path in sorted(folder.rglob("u*")) if path.is_file()]


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    box = (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    return image.crop(box)


CHANGES: dict[str, Change] = {
    "none": lambda image: image,
    "mirror": ImageOps.mirror,
    "half": lambda image: image.resize((112, 112)),
    "brighter": lambda image: image.point(lambda value: min(255, value * 23 // 20)),
    "crop 3 %": lambda image: crop(image, 0.03, 0.03, 0.03, 0.03),
    "crop 5 % of a corner": lambda image: crop(image, 0.05, 0, 0, 0.05),
    "crop of 4, 1, 0 and 3 %": lambda image: crop(image, 0.04, 0.01, 0, 0.03),
    "crop 2.2 % of a corner": lambda image: crop(image, 0.022, 0, 0, 0.022),
    "crop 4 % of every side": lambda image: crop(image, 0.04, 0.04, 0.04, 0.04),
    "crop 5 % of a side": lambda image: crop(image, 0, 0, 0.05, 0),
    "mirrored crop": lambda image: ImageOps.mirror(crop(image, 0, 0.05, 0.05, 0)),
}


def measure(images: list[Image.Image], folder: Path, jpeg_quality: int) -> pd.DataFrame:
    """Return the image stats of these photos, each of another student."""
    rows = []
    for number, image in enumerate(images):
        path = folder / f"{number}.jpg"
        image.save(path, "JPEG", quality=jpeg_quality)
        keys = {"path": path.name, "student": f"u{number:03}", "pair": 1, "side": "left"}
        rows.append(keys | quality.measure_image_stats(decoding.decode_photo(path, EDGE)))
    return pd.DataFrame(rows)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(
    change: str, synthetic_photos: list[Image.Image], tmp_path: Path
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    copies = [CHANGES[change](image) for image in synthetic_photos]
    stats = {"old": measure(synthetic_photos, tmp_path / "old", 95), "new": measure(copies, tmp_path / "new", 60)}
    duplicates = near_duplicates.find_near_duplicate_rows(stats.items(), 20)[0]
    between = duplicates[(duplicates["batch"] == "old") & (duplicates["other_batch"] == "new")]
    assert list(between["path"]) == list(between["other_path"]), "different photos were matched"
    assert len(between) >= 0.9 * len(synthetic_photos), "copies were missed"
    assert not len(duplicates[duplicates["batch"] == duplicates["other_batch"]])
    assert len(duplicates) == 2 * len(between)


def test_copies_cropped_at_random_are_found(synthetic_photos: list[Image.Image], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    copies = [crop(image, *rng.uniform(0, 0.04, 4)) for image in synthetic_photos]
    stats = {"old": measure(synthetic_photos, tmp_path / "old", 95), "new": measure(copies, tmp_path / "new", 80)}
    duplicates = near_duplicates.find_near_duplicate_rows(stats.items(), 20)[0]
    assert (duplicates["path"] == duplicates["other_path"]).all(), "different photos were matched"
    assert len(duplicates) >= 2 * 0.9 * len(synthetic_photos), "copies were missed"
