"""The drawn class: names and sets as the real one's, the same bytes for a seed, and more to learn than colours."""

import hashlib
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shoepair.synthetic import primitives as drawing
from shoepair.synthetic import sample_class, shoes, wardrobe

NAME = re.compile(r"(u\d{3})_([123])_(left|right)_([mw])\.(jpg|png)")
SEED = 1
STUDENTS, TEST_STUDENTS = 3, 1


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def pixels(student: sample_class.Student, pair: int, side: int, number: int) -> NDArray[np.uint8]:
    """(224, 224, 4) photo with the random stream `number`."""
    return np.asarray(sample_class.draw_photo(student, pair, side, sample_class.stream(number)))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class")
    count = sample_class.draw_class(folder, STUDENTS, TEST_STUDENTS, SEED)
    assert count == 6 * (STUDENTS + 2 * TEST_STUDENTS)
    return folder


def test_every_student_of_every_set_has_six_photos(drawn: Path) -> None:
    found = defaultdict(list)
    for path in drawn.rglob("*.*"):
        match = NAME.fullmatch(path.name)
        assert match, path.name
        found[path.parent.name, match[1]].append((match[2], match[3]))
    every = sorted((pair, side) for pair in "123" for side in ("left", "right"))
    assert all(sorted(photos) == every for photos in found.values())
    assert sorted(group for group, _ in found) == ["test_m", "test_w", *["train"] * STUDENTS]
    assert len({name for _, name in found}) == len(found), "a number is used in two sets"


def test_a_pair_has_one_kind_and_a_test_set_only_its_own(drawn: Path) -> None:
    kinds = defaultdict(set)
    for path in drawn.rglob("*.*"):
        name, pair, _, kind = path.stem.split("_")
        kinds[path.parent.name, name, pair].add(kind)
    assert all(len(found) == 1 for found in kinds.values())
    for group in ("test_m", "test_w"):
        assert set().union(*(found for (of, *_), found in kinds.items() if of == group)) == {group[-1]}


def test_some_training_students_mix_kinds() -> None:
    drawn = [sample_class.draw_kinds(sample_class.stream(SEED, number), "train") for number in range(300)]
    mixed = sum(len(set(kinds)) == 2 for kinds in drawn)
    assert 0.3 < mixed / len(drawn) < 0.5


def test_photos_are_opaque_png_whatever_they_are_called(drawn: Path) -> None:
    for path in drawn.rglob("*.*"):
        with Image.open(path) as photo:
            assert (photo.format, photo.mode, photo.size, photo.info) == ("PNG", "RGBA", (224, 224), {})
            assert (np.asarray(photo)[..., 3] == 255).all()


def test_a_few_students_name_their_files_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoepair.synthetic.floors.draw_floor", lambda _: np.zeros((3, 1, 1)))
    extensions = [sample_class.draw_student(SEED, "train", number).extension for number in range(90)]
    assert set(extensions) == {"jpg", "png"}
    assert 1 <= extensions.count("png") <= 9


def test_no_photo_is_handed_in_twice(drawn: Path) -> None:
    photos = contents(drawn)
    assert len(set(photos.values())) == len(photos)


def test_the_seed_and_nothing_else_decides_the_bytes(drawn: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    sample_class.draw_class(again, 1, 0, SEED)
    sample_class.draw_class(other, 1, 0, SEED + 1)
    first = {name: data for name, data in contents(drawn).items() if name in contents(again)}
    assert contents(again) == first
    assert len(first) == 6, "adding students renamed or redrew one"
    assert not set(contents(other).values()) & set(first.values())


def test_numbers_ascend_are_unique_and_leave_gaps() -> None:
    counts = {"train": 90, "test_m": 15, "test_w": 15}
    names = {group: [sample_class.student_name(SEED, group, k) for k in range(n)] for group, n in counts.items()}
    assert all(of == sorted(of) for of in names.values())
    every = sorted(name for of in names.values() for name in of)
    assert len(set(every)) == len(every) < int(every[-1][1:])
    assert names["test_m"][0] < names["train"][-1], "the sets are not one behind the other"


def test_drawing_has_not_changed() -> None:
    student = sample_class.draw_student(SEED, "train", 0)
    digest = hashlib.sha256(pixels(student, 0, 0, 1).tobytes()).hexdigest()
    assert digest == "cc9a1411b3b9a4936ae770479fa366760e1d37d8552f37a2c3fba3b811ac6462", (
        "the drawing changed: a class drawn before has other photos now"
    )


def test_left_is_the_mirror_image_of_right() -> None:
    look = sample_class.draw_student(SEED, "train", 0).looks[0]
    left, right = (shoes.build(look, side, sample_class.stream(1)) for side in (True, False))
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one.points[0], -other.points[0])
        np.testing.assert_array_equal(one.points[1:], other.points[1:])
        np.testing.assert_array_equal(one.colour, other.colour)
    toe = max(right, key=lambda patch: float(patch.points[1].max())).points
    assert float(toe[0, toe[1] > 0.95].mean()) < -0.01, "a right shoe's toe points inwards"


def test_photos_share_the_shoe_and_the_room_but_not_the_view() -> None:
    student = sample_class.draw_student(SEED, "train", 0)
    cameras = [sample_class.draw_camera(sample_class.stream(number), student, 0.3) for number in range(40)]
    for of in ("heading", "scale", "centre", "shift", "turn", "gain"):
        assert len({getattr(camera, of) for camera in cameras}) == len(cameras), of
    assert {camera.heading > drawing.unit(student.heading) for camera in cameras} == {True, False}
    pictures = [pixels(student, 0, 0, number).astype(np.int64) for number in (1, 2)]
    assert np.abs(pictures[0] - pictures[1]).mean() > 4


@pytest.mark.parametrize("kind", sorted(wardrobe.FORMS))
def test_every_kind_of_shoe_fits_into_the_photo(kind: str) -> None:
    student = sample_class.draw_student(SEED, "train", 0)
    look = wardrobe.design(sample_class.stream(2), kind, student.looks[0].colours)
    for number in range(4):
        rng = sample_class.stream(3, number)
        camera = sample_class.draw_camera(rng, student, look.form.tall)
        for patch in shoes.build(look, bool(number % 2), rng):
            x, y = camera.project(camera.stand(patch.points))
            assert min(x.min(), y.min()) > 0
            assert max(x.max(), y.max()) < 224


def test_many_students_own_three_pairs_of_one_colour() -> None:
    def spread(number: int) -> float:
        rng = sample_class.stream(SEED, number)
        looks = sample_class.draw_looks(rng, ("m", "m", "w"))
        assert len({look.kind for look in looks}) == 3
        uppers = np.array([look.colours.upper for look in looks])
        return float((uppers.max(0) - uppers.min(0)).max())

    alike = np.mean([spread(number) < 0.1 for number in range(200)])
    assert 0.35 < alike < 0.6
