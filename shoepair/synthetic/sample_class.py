"""The built-in sample class: drawn students who hand in three pairs of shoes each, for want of real photos to ship.

A student has one floor and one light, as people photograph at home; three pairs of different kinds; six photos, each
from a slightly different place. About two students in five own three pairs of nearly one colour, so that colour alone
does not tell a pair. Every student is drawn from (seed, set, number within the set) and every photo has its own stream
for camera and noise: adding students redraws nobody, and two photos share the shoe and the room, nothing else.
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
from shoepair.synthetic import floors, shoes, wardrobe
from shoepair.synthetic.primitives import Floats, grain, pick, unit
from shoepair.synthetic.rendering import Camera, Light, render

SETS = ("train", "test_m", "test_w")
SIDES = ("left", "right")
BLOCK = {"train": 6, "test_m": 1, "test_w": 1}  # students of each set in ten numbers; two numbers stay free
ALIKE = 0.44  # share of the students whose pairs have nearly one colour
MIXED = 0.40  # share of the training students with pairs of both kinds
PNG = 0.04  # share of the students whose files are named by what they are


@dataclass(frozen=True)
class Student:
    """Where and what a student photographs."""

    name: str  # such as "u052"
    floor: Floats  # (3, T, T) texture
    light: Light  # of the room
    heading: float  # of the shoes in the photos, in half radians
    tilt: float  # of the camera, likewise
    scale: float  # photo pixels per shoe length
    noise: float  # of the camera, bytes
    kinds: tuple[str, ...]  # "m" or "w" of each pair
    looks: tuple[wardrobe.Look, ...]  # of each pair
    extension: str  # of the files, whatever they are


def stream(*numbers: int) -> np.random.Generator:
    """An independent stream of random numbers for these numbers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(numbers)))


def student_name(seed: int, group: str, number: int) -> str:
    """Name of a set's student: numbers ascend within a set, are unique in the class, and leave gaps.

    Every ten numbers are dealt among the sets by the seed.
    """
    block, place = divmod(number, BLOCK[group])
    order = np.argsort(stream(seed, 100, block).random(10), kind="stable")
    start = sum(BLOCK[before] for before in SETS[: SETS.index(group)])
    slots = sorted(int(slot) for slot in order[start : start + BLOCK[group]])
    return f"u{10 * block + slots[place] + 1:03d}"


def draw_light(rng: np.random.Generator) -> Light:
    """A lamp from anywhere but straight above, warm or cool."""
    cos, sin = unit(2 * rng.random() - 1)
    flat, up = unit(0.22 + 0.12 * rng.random())[::-1]
    side = 1.0 if rng.random() < 0.5 else -1.0
    warmth, level = 0.10 * (2 * rng.random() - 1), 1.08 + 0.16 * rng.random()
    return Light(
        towards=(side * flat * cos, flat * sin, up),
        colour=(level * (1 + warmth), level, level * (1 - warmth)),
        ambient=0.45 + 0.2 * rng.random(),
        fall=(0.16 * (2 * rng.random() - 1), 0.16 * (2 * rng.random() - 1)),
        vignette=0.05 + 0.2 * rng.random(),
    )


def draw_kinds(rng: np.random.Generator, group: str) -> tuple[str, ...]:
    """Kind of each pair, m or w: one of them throughout in the test sets, both in some training students' pairs."""
    if group != "train":
        return (group[-1],) * 3
    one = pick(rng, "mw")
    kinds = [one] * 3
    if rng.random() < MIXED:
        kinds[int(rng.integers(3))] = "w" if one == "m" else "m"
    return tuple(kinds)


def draw_looks(rng: np.random.Generator, kinds: tuple[str, ...]) -> tuple[wardrobe.Look, ...]:
    """Three pairs of different kinds of shoe, in three colours or in nearly one."""
    alike = rng.random() < ALIKE
    palette = wardrobe.SOBER if alike or rng.random() < 0.4 else wardrobe.SOBER + wardrobe.BRIGHT
    names = [palette[int(i)] for i in rng.integers(len(palette), size=3)]  # may repeat, as in a real wardrobe
    schemes = [wardrobe.draw_scheme(rng, name) for name in names]
    looks: list[wardrobe.Look] = []
    for kind, scheme in zip(kinds, schemes, strict=True):
        free = [name for name in wardrobe.KINDS[kind] if name not in [look.kind for look in looks]]
        own = replace(schemes[0], upper=wardrobe.near(rng, schemes[0].upper, 0.03)) if alike else scheme
        looks.append(wardrobe.design(rng, pick(rng, free), own))
    return tuple(looks)


def draw_student(seed: int, group: str, number: int) -> Student:
    """Everything of a student of a class that the six photos share."""
    return dressed(stream(seed, SETS.index(group), number, 0), group, student_name(seed, group, number))


def dressed(rng: np.random.Generator, group: str, name: str) -> Student:
    """A student of this name, with a room and shoes as the group has them, drawn from a stream."""
    kinds = draw_kinds(rng, group)
    return Student(
        name=name,
        kinds=kinds,
        looks=draw_looks(rng, kinds),
        extension="png" if rng.random() < PNG else "jpg",
        light=draw_light(rng),
        heading=0.33 + 0.10 * rng.random(),
        tilt=0.30 + 0.08 * rng.random(),
        scale=192 + 16 * rng.random(),
        noise=1.5 + 2.5 * rng.random(),
        floor=floors.draw_floor(rng),
    )


def draw_camera(rng: np.random.Generator, student: Student, height: float) -> Camera:
    """A photo's view: up to 8 degrees, 8 pixels and 5 percent from the student's usual one.

    A tall shoe (height in shoe lengths) is taken from farther away, to be all in the photo.
    """

    def within(most: float) -> float:
        return most * (2 * float(rng.random()) - 1)

    scale = student.scale * (1 - 0.38 * max(0.0, height - 0.3))
    tilt, gain = student.tilt, 1 + within(0.10)
    return Camera(
        heading=unit(student.heading + within(0.07)),
        tilt=unit(tilt + within(0.02)),
        scale=scale * (1 + within(0.05)),
        centre=(112 + within(8), 112 + 0.4 * height * unit(tilt)[1] * scale + within(8)),
        turn=unit(within(0.05)),
        shift=(within(45), within(45)),
        gain=(gain * (1 + within(0.035)), gain, gain * (1 + within(0.035))),
    )


def draw_photo(student: Student, pair: int, side: int, rng: np.random.Generator) -> Image.Image:
    """One photo as handed in, of pair 0, 1 or 2, side 0 (left) or 1, from a stream of its own: RGBA, opaque."""
    look = student.looks[pair]
    camera = draw_camera(rng, student, look.form.tall)
    clean = render(shoes.build(look, SIDES[side] == "left", rng), student.floor, student.light, camera)
    noisy = np.clip(np.floor(clean + grain(rng, student.noise) + 0.5), 0, 255).astype(np.uint8)  # (3, E, E)
    return Image.fromarray(noisy.transpose(1, 2, 0).copy()).convert("RGBA")


def shots(student: Student, *origin: int) -> Iterator[tuple[int, int, Image.Image]]:
    """The six photos of a student as handed in, each with its pair and side, from streams of this origin."""
    for pair in range(3):
        for side in range(2):
            yield pair, side, draw_photo(student, pair, side, stream(*origin, 1 + 2 * pair + side))


def write_student(folder: Path, seed: int, group: str, number: int) -> int:
    """Draw and write a student's six photos; returns 6."""
    student = draw_student(seed, group, number)
    for pair, side, photo in shots(student, seed, SETS.index(group), number):
        name = f"{student.name}_{pair + 1}_{SIDES[side]}_{student.kinds[pair]}.{student.extension}"
        # Run-length matching: the other levels find their matches by code that differs between processors.
        photo.save(folder / group / name, format="PNG", compress_type=3)
    return 6


def draw_class(folder: Path, students: int, test_students: int, seed: int) -> int:
    """Draw a class of photos.

    Args:
        folder: gets train/, test_m/ and test_w/.
        students: in train.
        test_students: in each of test_m and test_w.
        seed: the same seed draws the same students, byte for byte, however many there are.

    Returns:
        The number of photos written.
    """
    for group in SETS:
        (folder / group).mkdir(parents=True, exist_ok=True)
    sizes = {"train": students, "test_m": test_students, "test_w": test_students}
    whole = [(group, number) for group, size in sizes.items() for number in range(size)]
    with ThreadPoolExecutor(count_cores()) as pool:
        drawn = pool.map(lambda each: write_student(folder, seed, *each), whole)
        return sum(progress.track(drawn, f"draw {folder.name}", "student", len(whole)))
