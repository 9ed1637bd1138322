"""The synthetic class: names and subsets as of a real one, the same bytes for a seed, more to learn than colours."""

import hashlib
import itertools
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from shoepair.ingestion.splits import find_batch_overlaps
from shoepair.synthetic import primitives, shoe_geometry, shoe_styles, synthetic_class

NAME = re.compile(r"(u9001\d{4})_([123])_(left|right)_([mw])\.(jpg|png)")
SEED = 1
STUDENTS, TEST_STUDENTS = 3, 1


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def pixels(student: synthetic_class.SyntheticStudent, pair: int, side: int, number: int) -> NDArray[np.uint8]:
    """Return the (224, 224, 4) photo drawn by the random generator `number`."""
    return np.asarray(synthetic_class.draw_photo(student, pair, side, synthetic_class.make_rng(number)))


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class")
    count = synthetic_class.write_synthetic_class(folder, STUDENTS, TEST_STUDENTS, SEED)
    assert count == 6 * (STUDENTS + 2 * TEST_STUDENTS)
    return folder


def test_every_student_of_every_subset_has_six_photos(class_folder: Path) -> None:
    photos_by_student = defaultdict(list)
    for path in class_folder.rglob("*.*"):
        match = NAME.fullmatch(path.name)
        assert match, path.name
        photos_by_student[path.parent.name, match[1]].append((match[2], match[3]))
    expected = sorted((pair, side) for pair in "123" for side in ("left", "right"))
    assert all(sorted(photos) == expected for photos in photos_by_student.values())
    assert sorted(subset for subset, _ in photos_by_student) == ["test_m", "test_w", *["train"] * STUDENTS]
    assert len({name for _, name in photos_by_student}) == len(photos_by_student), "an id is in two subsets"


def test_a_pair_has_one_category_and_a_test_subset_only_one(class_folder: Path) -> None:
    categories = defaultdict(set)
    for path in class_folder.rglob("*.*"):
        student, pair, _, category = path.stem.split("_")
        categories[path.parent.name, student, pair].add(category)
    assert all(len(values) == 1 for values in categories.values())
    for test in ("test_m", "test_w"):
        assert set().union(*(values for (subset, *_), values in categories.items() if subset == test)) == {test[-1]}


def test_some_training_students_mix_categories() -> None:
    rngs = [synthetic_class.make_rng(SEED, number) for number in range(300)]
    mixed = sum(len(set(synthetic_class.sample_pair_categories(rng, "train"))) == 2 for rng in rngs)
    assert 0.3 < mixed / len(rngs) < 0.5


def test_photos_are_opaque_png_whatever_their_extension(class_folder: Path) -> None:
    for path in class_folder.rglob("*.*"):
        with Image.open(path) as photo:
            assert (photo.format, photo.mode, photo.size, photo.info) == ("PNG", "RGBA", (224, 224), {})
            assert (np.asarray(photo)[..., 3] == 255).all()


def test_a_few_students_name_their_files_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoepair.synthetic.floors.draw_random_floor_image", lambda _: np.zeros((3, 1, 1)))
    extensions = [synthetic_class.sample_numbered_student(SEED, "train", number).extension for number in range(90)]
    assert set(extensions) == {"jpg", "png"}
    assert 1 <= extensions.count("png") <= 9


def test_no_two_photos_are_equal(class_folder: Path) -> None:
    photos = contents(class_folder)
    assert len(set(photos.values())) == len(photos)


def test_bytes_depend_on_the_seed_only(class_folder: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    synthetic_class.write_synthetic_class(again, 1, 0, SEED)
    synthetic_class.write_synthetic_class(other, 1, 0, SEED + 1)
    first = {name: data for name, data in contents(class_folder).items() if name in contents(again)}
    assert contents(again) == first
    assert len(first) == 6, "adding students changed another one"
    assert not set(contents(other).values()) & set(first.values())


def test_ids_ascend_are_unique_and_leave_gaps() -> None:
    counts = {"train": 90, "test_m": 15, "test_w": 15}
    make_id = synthetic_class.make_student_id
    by_subset = {subset: [make_id(SEED, subset, k) for k in range(n)] for subset, n in counts.items()}
    assert all(ids == sorted(ids) for ids in by_subset.values())
    all_ids = sorted(student_id for ids in by_subset.values() for student_id in ids)
    assert len(set(all_ids)) == len(all_ids) < int(all_ids[-1][-4:])
    assert by_subset["test_m"][0] < by_subset["train"][-1], "subsets follow one another"


def test_numbers_are_those_of_no_real_class_and_of_no_class_of_another_seed() -> None:
    by_seed = {
        seed: {synthetic_class.make_student_id(seed, "train", number) for number in range(2000)} for seed in (0, 1, 2)
    }
    assert not any(by_seed[one] & by_seed[other] for one, other in itertools.combinations(by_seed, 2))
    photos = [{"path": f"{student}.jpg", "student": student, "sha256": student} for student in by_seed[1]]
    real = [{"path": f"u{number}.jpg", "student": f"u{number:03}", "sha256": str(number)} for number in range(1, 4000)]
    assert find_batch_overlaps({"drawn": pd.DataFrame(photos), "winter": pd.DataFrame(real)}) == []


def test_drawing_has_not_changed() -> None:
    student = synthetic_class.sample_numbered_student(SEED, "train", 0)
    digest = hashlib.sha256(pixels(student, 0, 0, 1).tobytes()).hexdigest()
    assert digest == "cc9a1411b3b9a4936ae770479fa366760e1d37d8552f37a2c3fba3b811ac6462", (
        "the drawing changed: an existing synthetic class would have other photos"
    )


def test_left_is_the_mirror_image_of_right() -> None:
    look = synthetic_class.sample_numbered_student(SEED, "train", 0).looks[0]
    left, right = (shoe_geometry.list_shoe_patches(look, side, synthetic_class.make_rng(1)) for side in (True, False))
    for left_patch, right_patch in zip(left, right, strict=True):
        np.testing.assert_array_equal(left_patch.points[0], -right_patch.points[0])
        np.testing.assert_array_equal(left_patch.points[1:], right_patch.points[1:])
        np.testing.assert_array_equal(left_patch.colour, right_patch.colour)
    toe = max(right, key=lambda patch: float(patch.points[1].max())).points
    assert float(toe[0, toe[1] > 0.95].mean()) < -0.01, "a right shoe's toe points inwards"


def test_photos_share_the_shoe_and_the_room_but_not_the_view() -> None:
    student = synthetic_class.sample_numbered_student(SEED, "train", 0)
    cameras = [synthetic_class.sample_camera(synthetic_class.make_rng(number), student, 0.3) for number in range(40)]
    for name in ("heading", "scale", "shoe_centre", "floor_shift", "floor_rotation", "channel_gains"):
        assert len({getattr(camera, name) for camera in cameras}) == len(cameras), name
    usual = primitives.cos_sin_of_half_tangent(student.heading)
    assert {camera.heading > usual for camera in cameras} == {True, False}
    first, second = (pixels(student, 0, 0, number).astype(np.int64) for number in (1, 2))
    assert np.abs(first - second).mean() > 4


@pytest.mark.parametrize("style", sorted(shoe_styles.SHAPES_BY_STYLE))
def test_every_style_fits_into_the_photo(style: str) -> None:
    student = synthetic_class.sample_numbered_student(SEED, "train", 0)
    look = shoe_styles.sample_look(synthetic_class.make_rng(2), style, student.looks[0].colours)
    for number in range(4):
        rng = synthetic_class.make_rng(3, number)
        camera = synthetic_class.sample_camera(rng, student, look.shape.height_at_heel)
        for patch in shoe_geometry.list_shoe_patches(look, bool(number % 2), rng):
            x, y = camera.floor_to_photo(camera.shoe_to_floor(patch.points))
            assert min(x.min(), y.min()) > 0
            assert max(x.max(), y.max()) < 224


def test_many_students_have_three_pairs_of_one_colour() -> None:
    def spread(number: int) -> float:
        rng = synthetic_class.make_rng(SEED, number)
        looks = synthetic_class.sample_pair_looks(rng, ("m", "m", "w"))
        assert len({look.style for look in looks}) == 3
        uppers = np.array([look.colours.upper for look in looks])
        return float((uppers.max(0) - uppers.min(0)).max())

    share = np.mean([spread(number) < 0.1 for number in range(200)])
    assert 0.35 < share < 0.6
