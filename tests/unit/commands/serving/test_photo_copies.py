"""The same photo twice is found, re-encoded, cropped or mirrored; different photos are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from shoepair.commands.serving import photo_copies
from shoepair.commands.serving.predictor import ShoePhoto
from shoepair.synthetic import synthetic_class


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """The photos of a drawn student: three pairs."""
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "train").mkdir()
    synthetic_class.write_student_photos(folder, 5, "train", 1)
    return [Image.open(path).convert("RGB") for path in sorted(folder.rglob("u*")) if path.is_file()]


def hashes_of(image: Image.Image) -> np.ndarray:
    return ShoePhoto(np.asarray(image.resize((224, 224)))).hashes


def encode_again(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return Image.open(file)


def test_copies_are_found_and_no_two_photos_are_copies(photos: list[Image.Image]) -> None:
    assert len(photos) == 6
    hashes = [hashes_of(image) for image in photos]
    for image, own in zip(photos, hashes, strict=True):
        width, height = image.size
        cropped = image.crop((round(0.03 * width), round(0.03 * height), width, height))
        for copy in (image, encode_again(image), image.resize((100, 100)), ImageOps.mirror(image), cropped):
            assert photo_copies.are_copies(own, hashes_of(copy))
        others = [other for other in hashes if other is not own]
        assert not any(photo_copies.are_copies(own, other) for other in others)


def test_distance_is_symmetric_and_counts_bits() -> None:
    zeros, ones = np.zeros((3, 32), np.uint8), np.zeros((3, 32), np.uint8)
    ones[:, 0] = 0b111
    assert photo_copies.count_different_bits(zeros, ones) == photo_copies.count_different_bits(ones, zeros) == 3
