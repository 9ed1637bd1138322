"""The synthetic class: students with six synthetic photos each, since no real photos can be shipped.

A student has one floor and one light, as people photograph at home; three pairs of different styles; six photos from
slightly different views. About two students in five own three pairs of nearly one colour, so that colour alone does
not identify a pair. Every student is drawn from (seed, subset, number in the subset), and every photo has a separate
random generator for camera and noise: adding students changes no other student, and two photos share only shoe and
room.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from shoepair.runtime import progress
from shoepair.runtime.cores import count_cores
from shoepair.synthetic import floors, shoe_geometry, shoe_styles
from shoepair.synthetic.primitives import Floats, cos_sin_of_half_tangent, draw_camera_noise, pick_item
from shoepair.synthetic.rendering import Camera, Light, render_photo_as_floats

SUBSETS = ("train", "test_m", "test_w")
SIDES = ("left", "right")
STUDENTS_PER_TEN = {"train": 6, "test_m": 1, "test_w": 1}  # of ten numbers; two stay free
ONE_COLOUR_SHARE = 0.44  # share of the students whose pairs have nearly one colour
MIXED_CATEGORY_SHARE = 0.40  # share of the training students with men's and women's pairs
SEEDS = 1000  # that give ids of their own
PNG_NAME_SHARE = 0.04  # share of the students whose files are named .png; all files are PNG


@dataclass(frozen=True)
class SyntheticStudent:
    """What the six photos of one synthetic student share: floor, light, camera habits and shoes."""

    student_id: str  # such as "u90010052"
    floor_texture: Floats  # (3, T, T) texture
    light: Light  # of the room
    heading: float  # of the shoes in the photos, tangent of half the angle
    tilt: float  # of the camera, likewise
    scale: float  # photo pixels per shoe length
    noise_strength: float  # of the camera, bytes
    categories: tuple[str, ...]  # "m" or "w" of each pair
    looks: tuple[shoe_styles.ShoeLook, ...]  # of each pair
    extension: str  # of the file names


def make_rng(*seed_numbers: int) -> np.random.Generator:
    """Return an independent random generator seeded from these numbers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed_numbers)))


def make_student_id(seed: int, subset: str, number: int) -> str:
    """Return the id of a subset's student, such as "u90010052": unique in the class, ascending within a subset.

    A class numbers its students from 1 on, so that of a synthetic one begins with 9 and three digits of its seed: a
    real class, or one of another seed, has none of them and can be added. Every ten numbers are assigned to the
    subsets in an order drawn from the seed; two of them stay free.
    """
    block, index = divmod(number, STUDENTS_PER_TEN[subset])
    order = np.argsort(make_rng(seed, 100, block).random(10), kind="stable")
    start = sum(STUDENTS_PER_TEN[before] for before in SUBSETS[: SUBSETS.index(subset)])
    slots = sorted(int(slot) for slot in order[start : start + STUDENTS_PER_TEN[subset]])
    return f"u9{seed % SEEDS:03d}{10 * block + slots[index] + 1:04d}"


def sample_light(rng: np.random.Generator) -> Light:
    """Draw the random light of a student's room: direction, colour, ambient share, slopes, vignette."""
    cos, sin = cos_sin_of_half_tangent(2 * rng.random() - 1)
    horizontal, up = cos_sin_of_half_tangent(0.22 + 0.12 * rng.random())[::-1]
    side = 1.0 if rng.random() < 0.5 else -1.0
    warmth, level = 0.10 * (2 * rng.random() - 1), 1.08 + 0.16 * rng.random()
    return Light(
        direction=(side * horizontal * cos, horizontal * sin, up),
        colour=(level * (1 + warmth), level, level * (1 - warmth)),
        ambient_share=0.45 + 0.2 * rng.random(),
        brightness_slopes=(0.16 * (2 * rng.random() - 1), 0.16 * (2 * rng.random() - 1)),
        vignette=0.05 + 0.2 * rng.random(),
    )


def sample_pair_categories(rng: np.random.Generator, subset: str) -> tuple[str, ...]:
    """Draw the category, m or w, of each of a student's three pairs: always that of the subset in the test subsets."""
    if subset != "train":
        return (subset[-1],) * 3
    category = pick_item(rng, "mw")
    categories = [category] * 3
    if rng.random() < MIXED_CATEGORY_SHARE:
        categories[int(rng.integers(3))] = "w" if category == "m" else "m"
    return tuple(categories)


def sample_pair_looks(rng: np.random.Generator, categories: tuple[str, ...]) -> tuple[shoe_styles.ShoeLook, ...]:
    """Draw the looks of a student's three pairs: different styles, in three colours or nearly one."""
    one_colour = rng.random() < ONE_COLOUR_SHARE
    palette: tuple[str, ...] = shoe_styles.SOBER_COLOURS
    if not one_colour and rng.random() >= 0.4:
        palette += shoe_styles.BRIGHT_COLOURS
    names = [palette[int(i)] for i in rng.integers(len(palette), size=3)]  # may repeat, as in a real wardrobe
    schemes = [shoe_styles.sample_colour_scheme(rng, name) for name in names]
    looks: list[shoe_styles.ShoeLook] = []
    for category, scheme in zip(categories, schemes, strict=True):
        used = [look.style for look in looks]
        unused = [style for style in shoe_styles.STYLES_BY_CATEGORY[category] if style not in used]
        if one_colour:
            scheme = replace(schemes[0], upper=shoe_styles.sample_similar_colour(rng, schemes[0].upper, 0.03))
        looks.append(shoe_styles.sample_look(rng, pick_item(rng, unused), scheme))
    return tuple(looks)


def sample_numbered_student(seed: int, subset: str, number: int) -> SyntheticStudent:
    """Draw student `number` of a subset of the class with this seed."""
    rng = make_rng(seed, SUBSETS.index(subset), number, 0)
    return sample_student_traits(rng, subset, make_student_id(seed, subset, number))


def sample_student_traits(rng: np.random.Generator, subset: str, student_id: str) -> SyntheticStudent:
    """Draw a student with this id, a room and shoes from a random generator."""
    categories = sample_pair_categories(rng, subset)
    return SyntheticStudent(
        student_id=student_id,
        categories=categories,
        looks=sample_pair_looks(rng, categories),
        extension="png" if rng.random() < PNG_NAME_SHARE else "jpg",
        light=sample_light(rng),
        heading=0.33 + 0.10 * rng.random(),
        tilt=0.30 + 0.08 * rng.random(),
        scale=192 + 16 * rng.random(),
        noise_strength=1.5 + 2.5 * rng.random(),
        floor_texture=floors.draw_random_floor_image(rng),
    )


def sample_camera(rng: np.random.Generator, student: SyntheticStudent, shoe_height: float) -> Camera:
    """Draw the camera of one photo: up to 8 degrees, 8 pixels and 5 percent from the student's usual view.

    A tall shoe (height in shoe lengths) is photographed from farther away, so that all of it is in the photo.
    """

    def within(limit: float) -> float:
        return limit * (2 * float(rng.random()) - 1)

    scale = student.scale * (1 - 0.38 * max(0.0, shoe_height - 0.3))
    tilt, gain = student.tilt, 1 + within(0.10)
    return Camera(
        heading=cos_sin_of_half_tangent(student.heading + within(0.07)),
        tilt=cos_sin_of_half_tangent(tilt + within(0.02)),
        scale=scale * (1 + within(0.05)),
        shoe_centre=(112 + within(8), 112 + 0.4 * shoe_height * cos_sin_of_half_tangent(tilt)[1] * scale + within(8)),
        floor_rotation=cos_sin_of_half_tangent(within(0.05)),
        floor_shift=(within(45), within(45)),
        channel_gains=(gain * (1 + within(0.035)), gain, gain * (1 + within(0.035))),
    )


def draw_photo(student: SyntheticStudent, pair: int, side: int, rng: np.random.Generator) -> Image.Image:
    """Draw one photo of a student's shoe, pair 0, 1 or 2, side 0 (left) or 1: an opaque RGBA image."""
    look = student.looks[pair]
    camera = sample_camera(rng, student, look.shape.height_at_heel)
    patches = shoe_geometry.list_shoe_patches(look, SIDES[side] == "left", rng)
    photo = render_photo_as_floats(patches, student.floor_texture, student.light, camera)
    photo = np.clip(np.floor(photo + draw_camera_noise(rng, student.noise_strength) + 0.5), 0, 255)  # (3, E, E)
    return Image.fromarray(photo.astype(np.uint8).transpose(1, 2, 0).copy()).convert("RGBA")


def iter_drawn_photos(student: SyntheticStudent, *seed_numbers: int) -> Iterator[tuple[int, int, Image.Image]]:
    """Yield pair index, side index and photo of a student's six photos, each from a separate random generator."""
    for pair in range(3):
        for side in range(2):
            yield pair, side, draw_photo(student, pair, side, make_rng(*seed_numbers, 1 + 2 * pair + side))


def write_student_photos(folder: Path, seed: int, subset: str, number: int) -> int:
    """Draw and write a student's six photos; returns 6."""
    student = sample_numbered_student(seed, subset, number)
    for pair, side, photo in iter_drawn_photos(student, seed, SUBSETS.index(subset), number):
        name = f"{student.student_id}_{pair + 1}_{SIDES[side]}_{student.categories[pair]}.{student.extension}"
        # Run-length matching: other compress types search matches with code that differs between processors.
        photo.save(folder / subset / name, format="PNG", compress_type=3)
    return 6


def write_synthetic_class(folder: Path, train_students: int, students_per_test: int, seed: int) -> int:
    """Write the photos of a synthetic class to train/, test_m/ and test_w/; returns their number.

    Args:
        folder: is created.
        train_students: number of students in train.
        students_per_test: number of students in each of test_m and test_w.
        seed: the same seed draws the same students, byte for byte, however many there are.
    """
    for subset in SUBSETS:
        (folder / subset).mkdir(parents=True, exist_ok=True)
    sizes = {"train": train_students, "test_m": students_per_test, "test_w": students_per_test}
    students = [(subset, number) for subset, size in sizes.items() for number in range(size)]
    with ThreadPoolExecutor(count_cores()) as pool:
        counts = pool.map(lambda student: write_student_photos(folder, seed, *student), students)
        return sum(progress.track(counts, f"draw {folder.name}", "student", len(students)))
