"""What is measured of every photo, and which photos are flagged: told, and never left out for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pandas as pd
import pytest
from conftest import CLI, Run, write_class
from PIL import Image, ImageFilter, ImageOps

from shoepair.data import documents, schemas, tables
from shoepair.ingestion import decode, phash, quality, rules, scan
from shoepair.ingestion.config import Validate
from shoepair.runtime import params, paths
from shoepair.synthetic import sample_class
from stages import ingest, validate

EDGE = 224


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drawn student."""
    folder = tmp_path_factory.mktemp("drawn")
    sample_class.draw_class(folder, 1, 1, 7)
    return folder


def measured(image: Image.Image, path: Path) -> dict[str, Any]:
    image.save(path, "PNG")
    return quality.measure(decode.decode_photo(path, EDGE))


def flagged(image: Image.Image, path: Path) -> set[str]:
    known = {"path": path.name, "student": "u001", "pair": 1, "side": "left"}
    rows = schemas.Signs.validate(pd.DataFrame([known | measured(image, path)]))
    return set(quality.flags(rows, params.load(Validate), EDGE))


Change = Callable[[Image.Image], Image.Image]
CHANGES: dict[str, Change] = {
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(5)),
    "dark": lambda image: image.point(lambda value: value // 5),
    "overexposed": lambda image: image.point(lambda value: 190 + value // 4),
    "low_contrast": lambda image: image.point(lambda value: 110 + value // 6),
    "tiny": lambda image: image.resize((200, 200)),
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("sign", quality.FLAGS)
def test_each_sign_is_seen_and_a_plain_photo_has_none(sign: str, drawn: Path, tmp_path: Path) -> None:
    source = sorted(drawn.rglob("*_1_left_*"))[0]
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(source) as image:
        plain = image.convert("RGB")
    assert flagged(plain, folder / "plain.png") == set()
    assert sign in flagged(CHANGES[sign](plain), folder / "changed.png")


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


@pytest.mark.usefixtures("project")
def test_flagged_photos_are_told_everywhere_and_accepted_all_the_same(run: Run) -> None:
    path = Path("data/raw/tiny/train/u001_2_right_m.jpg")
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 30, (32, 32, 3), np.uint8)).save(path, "PNG")
    ingest.main("tiny")
    validate.main("tiny")
    report = documents.read_json(paths.validation("tiny"), "")
    assert "train/u001_2_right_m.jpg" in report["flags"]["dark"]
    assert report["accepted"] == 48
    rows = tables.read(paths.signs("tiny"), schemas.Signs)
    accepted = tables.read(paths.valid("tiny"), schemas.Photos)
    assert list(rows["path"]) == list(accepted["path"])
    said = run(*CLI, "validate").stdout
    assert "dark: train/u001_2_right_m.jpg" in said
    assert "- `dark: train/u001_2_right_m.jpg`" in run(*CLI, "validate", "--md").stdout


def test_without_thresholds_nothing_is_flagged(tmp_path: Path) -> None:
    write_class(tmp_path / "new")
    assert rules.judge(tmp_path / "new", scan.scan(tmp_path / "new"), 32).flags == {}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("sign", "value"),
    [("blurred", 0.0), ("dark", 1.0), ("overexposed", 0.0), ("low_contrast", 1.0), ("tiny", 2.0)],
)
def test_each_threshold_is_of_its_own_sign(sign: str, value: float, drawn: Path) -> None:
    paths_of = sorted(path for path in drawn.rglob("u*") if path.is_file())
    known = [{"path": path.name, "student": "u001", "pair": 1, "side": "left"} for path in paths_of]
    rows = pd.DataFrame(
        [a | quality.measure(decode.decode_photo(b, EDGE)) for a, b in zip(known, paths_of, strict=True)]
    )
    policy = params.load(Validate)
    assert quality.flags(rows, policy, EDGE) == {}
    strict = policy.model_copy(update={sign: value})
    assert quality.flags(rows, strict, EDGE) == {sign: sorted(rows["path"])}
