"""What is measured of every photo, and which photos are flagged: told, and never left out for it."""

from __future__ import annotations

from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from support.field import write_class
from support.measures import EDGE, measured

from shoepair.ingestion import phash, rules, scan
from shoepair.synthetic import sample_class


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drawn student."""
    folder = tmp_path_factory.mktemp("drawn")
    sample_class.draw_class(folder, 1, 1, 7)
    return folder


def test_measures_are_what_they_say(tmp_path: Path) -> None:
    grey = np.full((EDGE, EDGE, 3), 51, np.uint8)
    grey[: EDGE // 2] = 204
    got = measured(Image.fromarray(grey), tmp_path / "a.png")
    assert (got["width"], got["height"]) == (EDGE, EDGE)
    assert (got["grey_1"], got["grey_5"], got["grey_99"]) == (0.2, 0.2, 0.8)
    assert measured(Image.new("RGB", (300, 400), "white"), tmp_path / "b.png")["blur"] == 1.0
    wide = measured(Image.new("RGB", (300, 400), "white"), tmp_path / "c.png")
    assert (wide["width"], wide["height"]) == (300, 400)
    assert phash.prints(pd.DataFrame([got])).shape == (1, len(phash.FRAMES) + 1, phash.BITS // 8)


@pytest.mark.parametrize("edge", [32, EDGE])
def test_fingerprints_are_those_of_imagehash(edge: int, drawn: Path) -> None:
    for path in sorted(path for path in drawn.rglob("u*") if path.is_file()):
        with Image.open(path) as image:
            grey = image.convert("L").resize((edge, edge))
        got = np.unpackbits(phash.fingerprints(np.asarray(grey)), axis=1)
        parts = []
        for left, top in phash.FRAMES[::9]:
            (x, width), (y, height) = phash.INTERVALS[left], phash.INTERVALS[top]
            box = (x * edge, y * edge, (x + width) * edge, (y + height) * edge)
            parts.append(grey.resize((phash.SAMPLED, phash.SAMPLED), Image.Resampling.LANCZOS, box))
        wanted = np.stack([imagehash.phash(part, hash_size=phash.SIDE).hash.ravel() for part in parts])
        assert (got[:-1:9] != wanted).sum(axis=1).max() <= 6  # imagehash rounds to bytes in between
        mirrored = imagehash.phash(ImageOps.mirror(grey), hash_size=phash.SIDE).hash.ravel()
        assert (got[-1] != mirrored).sum() <= 6


def test_plain_photo_has_no_frequencies_but_its_brightness() -> None:
    got = np.unpackbits(phash.fingerprints(np.full((EDGE, EDGE), 77, np.uint8)), axis=1)
    assert (got.sum(axis=1) == 1).all()
    assert got[:, 0].all()


def test_without_thresholds_nothing_is_flagged(tmp_path: Path) -> None:
    write_class(tmp_path / "new")
    assert rules.judge(tmp_path / "new", scan.scan(tmp_path / "new"), 32).flags == {}
