"""One photo twice: found however it was changed, and never let into two splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from shoepair.ingestion import decode, duplicates, phash, quality
from shoepair.synthetic import sample_class

Change = Callable[[Image.Image], Image.Image]
EDGE = 224


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """The photos of four drawn students."""
    folder = tmp_path_factory.mktemp("drawn")
    sample_class.draw_class(folder, 2, 1, 5)
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


def rows(images: list[Image.Image], folder: Path, jpeg_quality: int) -> pd.DataFrame:
    """Signs of these photos, each of a student of its own."""
    found = []
    for number, image in enumerate(images):
        path = folder / f"{number}.jpg"
        image.save(path, "JPEG", quality=jpeg_quality)
        known = {"path": path.name, "student": f"u{number:03}", "pair": 1, "side": "left"}
        found.append(known | quality.measure(decode.decode_photo(path, EDGE)))
    return pd.DataFrame(found)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copy_is_found_and_nothing_else(change: str, drawn: list[Image.Image], tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    copies = [CHANGES[change](image) for image in drawn]
    measured = {"old": rows(drawn, tmp_path / "old", 95), "new": rows(copies, tmp_path / "new", 60)}
    found = duplicates.find(measured, 20)
    between = found[(found["batch"] == "old") & (found["other_batch"] == "new")]
    assert list(between["path"]) == list(between["other_path"]), "a photo was taken for another"
    assert len(between) >= 0.9 * len(drawn), "copies were missed"
    assert not len(found[found["batch"] == found["other_batch"]])
    assert len(found) == 2 * len(between)


def test_copies_cropped_at_random_are_found(drawn: list[Image.Image], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    copies = [crop(image, *rng.uniform(0, 0.04, 4)) for image in drawn]
    measured = {"old": rows(drawn, tmp_path / "old", 95), "new": rows(copies, tmp_path / "new", 80)}
    found = duplicates.find(measured, 20)
    assert (found["path"] == found["other_path"]).all(), "a photo was taken for another"
    assert len(found) >= 2 * 0.9 * len(drawn), "copies were missed"


def test_search_finds_what_a_comparison_of_all_finds() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 256, (400, 32), np.uint8)
    queries = np.concatenate([flipped(codes[:60], bits, rng) for bits in range(30)])
    apart = np.unpackbits(codes[None] ^ queries[:, None], axis=-1).sum(axis=-1)
    for bits in (0, 7, 24, duplicates.LIMIT):
        found = duplicates.search(codes, queries, bits)
        wanted = np.argwhere(apart <= bits)
        assert found[["query", "code"]].to_numpy().tolist() == wanted.tolist()
        assert found["bits"].tolist() == apart[tuple(wanted.T)].tolist()
    with pytest.raises(ValueError, match="expected 25 at most"):
        duplicates.search(codes, queries, duplicates.LIMIT + 1)


def flipped(codes: NDArray[np.uint8], count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    bits = np.unpackbits(codes, axis=-1)
    for row in bits:
        row[rng.choice(phash.BITS, count, replace=False)] ^= 1
    return np.packbits(bits, axis=-1)
