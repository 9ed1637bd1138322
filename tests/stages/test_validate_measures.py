"""What is measured of every photo, and which photos are flagged: told, and never left out for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter
from support.commands import CLI, Run
from support.measures import EDGE, measured

from shoepair.data import documents, schemas, tables
from shoepair.ingestion import decode, quality
from shoepair.ingestion.config import Validate
from shoepair.runtime import params, paths
from shoepair.synthetic import sample_class
from stages import ingest, validate


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drawn student."""
    folder = tmp_path_factory.mktemp("drawn")
    sample_class.draw_class(folder, 1, 1, 7)
    return folder


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
