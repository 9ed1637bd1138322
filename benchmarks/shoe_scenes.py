"""Drawn photos of which is known where shoes are: whole, several, cut off, far away, none.

The shoes, floors and lights are those of synthetic classes; headings, distances and places vary more than there. A
scene is given by its kind, a seed and a number. `put_together` makes the same kinds of photos of a class, by cutting
and pasting; where shoes are is not known of these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from shoepair.synthetic import shoe_geometry, synthetic_class
from shoepair.synthetic.primitives import PHOTO_EDGE, cos_sin_of_half_tangent, draw_camera_noise
from shoepair.synthetic.rendering import Camera, DepthBuffer, render_photo_as_floats, shade_patch
from shoepair.synthetic.shoe_styles import ShoeLook
from shoepair.synthetic.synthetic_class import SyntheticStudent

EDGE = PHOTO_EDGE
KINDS = ("whole", "two apart", "pair side by side", "cut off", "far away", "floor")
TRIES = 100  # cameras until one sees what its kind says
Pixels = NDArray[np.uint8]
PlacedShoe = tuple[ShoeLook, bool, Camera]  # is the left one


@dataclass(frozen=True)
class Scene:
    """A drawn photo."""

    pixels: Pixels  # (E, E, 3)
    coverage: NDArray[np.float32]  # (E, E), 1 where a shoe is


def draw_scene(kind: str, seed: int, number: int) -> Scene:
    """Draw a scene; the same arguments give the same one."""
    rng = synthetic_class.make_rng(seed, KINDS.index(kind), number)
    student = synthetic_class.sample_numbered_student(seed, "train", number)
    look = student.looks[int(rng.integers(3))]
    side = bool(rng.random() < 0.5)
    heading = rng.uniform(-math.pi, math.pi) if rng.random() < 0.35 else rng.choice([-1, 1]) * rng.uniform(0.2, 1.0)
    shared = replace(
        synthetic_class.sample_camera(rng, student, 0.2),
        heading=(math.cos(heading), math.sin(heading)),
        tilt=cos_sin_of_half_tangent(rng.uniform(0.05, 0.4)),
    )
    height = look.shape.height_at_heel
    tall = 1 - 0.38 * max(0.0, height - 0.3)
    shoes: list[PlacedShoe] = []
    if kind == "whole":
        scale = rng.uniform(0.45, 1.0) * EDGE * tall
        room = max(4.0, 0.36 * (EDGE - scale))
        shoes = [(look, side, _place(shared, scale, height, *rng.uniform(-room, room, 2)))]
    elif kind == "far away":
        scale = rng.uniform(0.12, 0.28) * EDGE
        room = 0.5 * (EDGE - scale) - 0.5 * height * scale
        shoes = [(look, side, _place(shared, scale, height, *rng.uniform(-room, room, 2)))]
    elif kind == "cut off":
        for _ in range(TRIES):
            scale = rng.uniform(0.7, 1.7) * EDGE * tall
            camera = _place(shared, scale, height, *rng.uniform(-0.7, 0.7, 2) * scale)
            if 0.3 < _share_inside(camera) < 0.65:
                break
        shoes = [(look, side, camera)]
    elif kind != "floor":
        shoes = _place_two(rng, student, look, shared, is_pair=kind == "pair side by side")
    return _render(student, shoes, shared, rng)


def _place(camera: Camera, scale: float, height: float, right: float, down: float) -> Camera:
    """Return a camera that sees the shoe's middle so far from the middle of the photo, in pixels."""
    lift = 0.4 * height * camera.tilt[1] * scale
    return replace(camera, scale=scale, shoe_centre=(EDGE / 2 + right, EDGE / 2 + lift + down))


def _outline(camera: Camera) -> NDArray[np.float64]:
    """Return points around the middle of a shoe as the camera sees them, (2, N) pixels."""
    grid = np.meshgrid(np.linspace(-0.17, 0.17, 9), np.linspace(0, 1, 25), [0.0, 0.1])
    points = np.stack(grid).reshape(3, -1)
    return np.stack(camera.floor_to_photo(camera.shoe_to_floor(points)))


def _share_inside(camera: Camera) -> float:
    points = _outline(camera)
    return float(((points >= 0) & (points < EDGE)).all(axis=0).mean())


def _place_two(
    rng: np.random.Generator, student: SyntheticStudent, look: ShoeLook, shared: Camera, *, is_pair: bool
) -> list[PlacedShoe]:
    """Place two shoes: of a pair, with nearly the same heading; or any two, farther apart."""
    cos, sin = shared.heading
    for _ in range(TRIES):
        scale = rng.uniform(0.35, 0.7) * EDGE
        apart = rng.uniform(*((0.42, 0.62) if is_pair else (0.45, 0.9))) * scale
        across, along = np.array([cos, sin]) * apart / 2, np.array([-sin, cos]) * rng.normal(0, 0.03) * scale
        middle = rng.uniform(-10, 10, 2)
        angle = math.atan2(sin, cos) + (rng.normal(0, 0.15) if is_pair else rng.uniform(-math.pi, math.pi))
        height = look.shape.height_at_heel
        cameras = [
            _place(shared, scale, height, *(middle + across + along)),
            replace(
                _place(shared, scale, height, *(middle - across - along)), heading=(math.cos(angle), math.sin(angle))
            ),
        ]
        one, other = (_outline(camera) for camera in cameras)
        distance = np.hypot(*(one[:, :, None] - other[:, None])).min()
        if min(map(_share_inside, cameras)) > 0.85 and distance > 2:
            break
    second = look if is_pair or rng.random() < 0.5 else student.looks[int(rng.integers(3))]
    return [(look, True, cameras[0]), (second, False, cameras[1])]


def _render(student: SyntheticStudent, shoes: list[PlacedShoe], shared: Camera, rng: np.random.Generator) -> Scene:
    """Render shoes on the student's floor, one over the other, and where they are."""
    photo = render_photo_as_floats([], student.floor_texture, student.light, shared) if not shoes else None
    covered = np.zeros((EDGE, EDGE), dtype=np.float32)
    for look, is_left, camera in shoes:
        patches = shoe_geometry.list_shoe_patches(look, is_left, rng)
        drawn = render_photo_as_floats(patches, student.floor_texture, student.light, camera)
        buffer = DepthBuffer()
        for patch in patches:
            floor = camera.shoe_to_floor(patch.points)
            visible = np.ones(patch.points.shape[1:], dtype=np.bool_) if patch.visible is None else patch.visible
            x, y = (value[visible] for value in camera.floor_to_photo(floor))
            colours = shade_patch(patch, floor, student.light, camera)[:, visible]
            buffer.splat_points(x, y, camera.nearness(floor)[visible], colours)
        coverage = buffer.to_image_and_coverage()[1]
        # The second photo is the first but for its shoe and that one's shadow: the darker floor of both.
        photo = (
            drawn
            if photo is None
            else np.where(coverage > 0, drawn, np.where(covered > 0, photo, np.minimum(photo, drawn)))
        )
        covered = np.maximum(covered, coverage)
    assert photo is not None
    noisy = np.clip(photo + draw_camera_noise(rng, student.noise_strength) + 0.5, 0, 255)
    pixels = noisy.astype(np.uint8).transpose(1, 2, 0)
    return Scene(_vary(pixels, rng) if rng.random() < 0.75 else pixels.copy(), covered)


def _vary(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Vary colours and sharpness, as cameras do."""
    values = (pixels / 255.0) ** rng.uniform(0.7, 1.4) * rng.uniform(0.85, 1.15, 3)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * rng.uniform(0.3, 1.4)
    image = Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))
    roll = rng.random()
    if roll < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    elif roll < 0.5:
        image = image.filter(ImageFilter.UnsharpMask(2, int(rng.integers(50, 150)), 0))
    return np.asarray(image)


def put_together(left: Pixels, right: Pixels, number: int) -> Iterator[tuple[str, Pixels]]:
    """Yield kinds of photos made of two: both shoes in one, a third and a quarter as large, and parts of a shoe."""
    rng = synthetic_class.make_rng(number)
    one, other = Image.fromarray(left), Image.fromarray(right)
    ground = _tile_floor(one, 2 * EDGE)
    size, offset = int(rng.uniform(0.85, 1) * EDGE), int(rng.uniform(-40, 40))
    for index, image in enumerate((one, other)):
        _paste(ground, image, size, EDGE + (index - 1) * size, (2 * EDGE - size) // 2 + (offset if index else -offset))
    rim = int(rng.uniform(0, 30))
    yield "two shoes", np.asarray(ground.crop((rim, rim, 2 * EDGE - rim, 2 * EDGE - rim)).resize((EDGE, EDGE)))
    for kind, image, share in (("a third as large", other, 1 / 3), ("a quarter as large", one, 1 / 4)):
        ground, size = _tile_floor(image, EDGE), int(EDGE * share)
        _paste(ground, image, size, *map(int, rng.integers(0, EDGE - size, 2)))
        yield kind, np.asarray(ground)
    for kind, low, high in (("toe alone", 0.05, 0.4), ("heel alone", 0.4, 0.05), ("middle alone", 0.23, 0.23)):
        edge = int(rng.uniform(0.43, 0.57) * EDGE)
        x, y = (int(np.clip((share + rng.uniform(-0.08, 0.08)) * EDGE, 0, EDGE - edge)) for share in (low, high))
        yield kind, np.asarray(one.crop((x, y, x + edge, y + edge)).resize((EDGE, EDGE)))


def _tile_floor(image: Image.Image, edge: int) -> Image.Image:
    """Return the floor of the upper left corner, mirrored again and again."""
    corner = np.asarray(image)[4:84, 4:84]
    repeats = -(-edge // 160)
    block = np.concatenate([corner, corner[:, ::-1]], axis=1)
    block = np.concatenate([block, block[::-1]], axis=0)
    return Image.fromarray(np.tile(block, (repeats, repeats, 1))[:edge, :edge].copy())


def _paste(ground: Image.Image, image: Image.Image, size: int, x: int, y: int) -> None:
    """Paste a photo as a square of this size, with soft borders."""
    ramp = np.minimum(np.arange(size) + 1, np.arange(size)[::-1] + 1) / max(3, size // 14)
    mask = np.minimum(np.minimum(ramp[:, None], ramp), 1)
    ground.paste(image.resize((size, size)), (x, y), Image.fromarray((mask * 255).astype(np.uint8)))
