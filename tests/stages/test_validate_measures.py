"""Quality flags of photos: they are reported and exclude no photo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter
from support.commands import CLI, Run
from support.measures import EDGE, measured

from shoepair.data import parquet_files, schemas
from shoepair.ingestion import decoding, quality
from shoepair.ingestion.config import ValidateConfig
from shoepair.runtime import json_files, params, paths
from shoepair.synthetic import synthetic_class
from stages import ingest, validate


@pytest.fixture(scope="module")
def synthetic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of one synthetic student."""
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic_class.write_synthetic_class(folder, 1, 1, 7)
    return folder


def flagged(image: Image.Image, path: Path) -> set[str]:
    keys = {"path": path.name, "student": "u001", "pair": 1, "side": "left"}
    rows = schemas.ImageStats.validate(pd.DataFrame([keys | measured(image, path)]))
    return set(quality.photo_paths_by_flag(rows, params.load(ValidateConfig), EDGE))


Change = Callable[[Image.Image], Image.Image]
CHANGES: dict[str, Change] = {
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(5)),
    "dark": lambda image: image.point(lambda value: value // 5),
    "overexposed": lambda image: image.point(lambda value: 190 + value // 4),
    "low_contrast": lambda image: image.point(lambda value: 110 + value // 6),
    "tiny": lambda image: image.resize((200, 200)),
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("flag", quality.FLAG_NAMES)
def test_changed_photo_has_its_flag_and_an_unchanged_one_has_none(
    flag: str, synthetic_folder: Path, tmp_path: Path
) -> None:
    source = sorted(synthetic_folder.rglob("*_1_left_*"))[0]
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(source) as image:
        plain = image.convert("RGB")
    assert flagged(plain, folder / "plain.png") == set()
    assert flag in flagged(CHANGES[flag](plain), folder / "changed.png")


@pytest.mark.usefixtures("project")
def test_flagged_photos_are_reported_and_accepted(run: Run) -> None:
    path = Path("data/raw/tiny/train/u001_2_right_m.jpg")
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 30, (32, 32, 3), np.uint8)).save(path, "PNG")
    ingest.main("tiny")
    validate.main("tiny")
    report = json_files.read_json(paths.validation_report_path("tiny"), "")
    assert "train/u001_2_right_m.jpg" in report["flags"]["dark"]
    assert report["accepted"] == 48
    rows = parquet_files.read_table(paths.image_stats_path("tiny"), schemas.ImageStats)
    accepted = parquet_files.read_table(paths.accepted_path("tiny"), schemas.AcceptedPhotos)
    assert list(rows["path"]) == list(accepted["path"])
    assert "dark: train/u001_2_right_m.jpg" in run(*CLI, "validate").stdout
    assert "- `dark: train/u001_2_right_m.jpg`" in run(*CLI, "validate", "--md").stdout


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("flag", "parameter", "value"),
    [
        ("blurred", "blurred", 0.0),
        ("dark", "dark", 1.0),
        ("overexposed", "overexposed", 0.0),
        ("low_contrast", "low_contrast", 1.0),
        ("tiny", "min_size", 2.0),
    ],
)
def test_each_threshold_sets_its_flag_only(flag: str, parameter: str, value: float, synthetic_folder: Path) -> None:
    keys = {"student": "u001", "pair": 1, "side": "left"}
    rows = pd.DataFrame(
        [
            {"path": path.name} | keys | quality.measure_image_stats(decoding.decode_photo(path, EDGE))
            for path in sorted(path for path in synthetic_folder.rglob("u*") if path.is_file())
        ]
    )
    policy = params.load(ValidateConfig)
    assert quality.photo_paths_by_flag(rows, policy, EDGE) == {}
    strict = policy.model_copy(update={parameter: value})
    assert quality.photo_paths_by_flag(rows, strict, EDGE) == {flag: sorted(rows["path"])}
