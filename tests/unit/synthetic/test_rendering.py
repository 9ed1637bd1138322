"""Rendering: projection, shading, hidden points and shadows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shoepair.synthetic import rendering
from shoepair.synthetic.primitives import PHOTO_EDGE, TEXTURE_EDGE, cos_sin_of_half_tangent
from shoepair.synthetic.rendering import Camera, DepthBuffer, Light, SurfacePatch

Floats = NDArray[np.floating[Any]]
MIDDLE = PHOTO_EDGE // 2
LAMP = Light(
    direction=(0.0, 0.0, 1.0), colour=(1.0, 1.0, 1.0), ambient_share=0.5, brightness_slopes=(0.0, 0.0), vignette=0.0
)


def camera(
    *, heading: tuple[float, float] = (1.0, 0.0), tilt: tuple[float, float] = (1.0, 0.0), scale: float = 100.0
) -> Camera:
    """Return a camera above the middle of the photo, without rotation or shift by default."""
    return Camera(heading, tilt, scale, (112.0, 112.0), (1.0, 0.0), (0.0, 0.0), (1.0, 1.0, 1.0))


def plate(height: float, edge: float = 0.4, count: int = 120) -> Floats:
    """Return a square in the middle of the shoe, at a height above the floor: (3, A, B)."""
    side = np.linspace(-edge / 2, edge / 2, count, dtype=np.float32)
    y, x = np.meshgrid(side + 0.5, side, indexing="ij")
    return np.stack([x, y, np.full_like(x, height)])


def test_light_falls_off_towards_the_sides_and_the_corners() -> None:
    assert (LAMP.brightness_map() == 1).all()
    sloped = Light(LAMP.direction, LAMP.colour, 0.5, (0.16, -0.08), 0.0).brightness_map()
    assert sloped.shape == (PHOTO_EDGE, PHOTO_EDGE)
    edge = (PHOTO_EDGE - 1) / PHOTO_EDGE
    assert sloped[0, 0] == pytest.approx(1 - 0.16 * edge + 0.08 * edge)
    assert sloped[0, -1] == pytest.approx(1 + 0.16 * edge + 0.08 * edge)
    assert sloped[-1, 0] == pytest.approx(1 - 0.16 * edge - 0.08 * edge)
    corners = Light(LAMP.direction, LAMP.colour, 0.5, (0.0, 0.0), 0.2).brightness_map()
    assert corners[MIDDLE, MIDDLE] == pytest.approx(1, abs=1e-4)
    assert corners[0, 0] == corners[-1, -1] == pytest.approx(1 - 0.2 * edge * edge)


def test_shoe_stands_with_its_middle_in_the_middle_and_its_toe_towards_the_viewer() -> None:
    view = camera()
    heel, toe, outer = (np.array(point) for point in ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.25, 0.5, 0.0)))
    assert [np.round(float(pixel), 6) for pixel in view.floor_to_photo(view.shoe_to_floor(heel))] == [112, 62]
    assert [np.round(float(pixel), 6) for pixel in view.floor_to_photo(view.shoe_to_floor(toe))] == [112, 162]
    assert [np.round(float(pixel), 6) for pixel in view.floor_to_photo(view.shoe_to_floor(outer))] == [87, 112]


@pytest.mark.parametrize("angle", [-0.4, 0.0, 0.33, 1.0])
def test_floor_coordinates_keep_the_shape_and_higher_points_are_higher_in_the_photo(angle: float) -> None:
    view = camera(heading=cos_sin_of_half_tangent(angle), tilt=cos_sin_of_half_tangent(0.3))
    points = np.random.default_rng(1).random((3, 20)).astype(np.float32)
    floor = view.shoe_to_floor(points)
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=0)
    np.testing.assert_allclose(np.linalg.norm(floor[:, :, None] - floor[:, None], axis=0), distances, atol=1e-5)
    raised = floor + np.array([[0.0], [0.0], [0.1]])
    (x, y), (raised_x, raised_y) = view.floor_to_photo(floor), view.floor_to_photo(raised)
    np.testing.assert_allclose(raised_x, x, atol=1e-4)
    np.testing.assert_allclose(y - raised_y, 0.1 * 100 * cos_sin_of_half_tangent(0.3)[1], atol=1e-4)
    assert (view.nearness(raised) > view.nearness(floor)).all()


def test_normals_have_length_one_and_face_the_viewer() -> None:
    up = rendering.surface_normals(plate(0.1), (0.0, 0.0, 1.0))
    np.testing.assert_allclose(up, np.broadcast_to(np.array([0, 0, 1.0]).reshape(3, 1, 1), up.shape), atol=1e-6)
    turned = rendering.surface_normals(plate(0.1).transpose(0, 2, 1), (0.0, 0.0, 1.0))
    np.testing.assert_allclose(turned, up.transpose(0, 2, 1), atol=1e-6)
    bent = plate(0.0)
    bent[2] = bent[0] * bent[0]
    normals = rendering.surface_normals(bent, (0.0, 0.0, 1.0))
    np.testing.assert_allclose(np.linalg.norm(normals, axis=0), 1, atol=1e-5)
    x = bent[0, 0, 1:-1]
    np.testing.assert_allclose(normals[0, 5, 1:-1] / normals[2, 5, 1:-1], -2 * x, atol=1e-4)


def test_surface_is_brightest_where_it_faces_the_lamp() -> None:
    colour = np.full((3, 120, 120), 0.4, np.float32)
    plain, glossy = (SurfacePatch(plate(0.3), colour, gloss) for gloss in (0.0, 1.0))
    lit = rendering.shade_patch(plain, plain.points, LAMP, camera())
    np.testing.assert_allclose(lit, 0.4 * (0.5 + 1.05 * 0.5), atol=1e-5)
    np.testing.assert_allclose(rendering.shade_patch(glossy, plain.points, LAMP, camera()), lit + 0.55, atol=1e-4)
    low = Light((0.6, 0.0, 0.8), LAMP.colour, 0.5, (0.0, 0.0), 0.0)
    dim = rendering.shade_patch(plain, plain.points, low, camera())
    np.testing.assert_allclose(dim, 0.4 * (0.5 + 1.05 * 0.5 * 0.8), atol=1e-5)
    specular = 0.5 * (1.8 / np.hypot(0.6, 1.8)) ** 16 + 0.05  # half way between lamp and view
    np.testing.assert_allclose(rendering.shade_patch(glossy, plain.points, low, camera()), dim + specular, atol=1e-4)
    on_the_floor = rendering.shade_patch(plain, plate(0.0), LAMP, camera())
    np.testing.assert_allclose(on_the_floor, 0.72 * lit, atol=1e-5)


def test_nearest_point_hides_the_others_whichever_came_first() -> None:
    x = y = np.array([10.0])
    red, green = np.array([[1.0], [0.0], [0.0]], np.float32), np.array([[0.0], [1.0], [0.0]], np.float32)
    for first, second in (((red, 0.1), (green, 0.2)), ((green, 0.2), (red, 0.1))):
        buffer = DepthBuffer()
        for colour, nearness in (first, second):
            buffer.splat_points(x, y, np.array([nearness]), colour)
        image, coverage = buffer.to_image_and_coverage()
        assert image[:, 10, 10].tolist() == [0, 1, 0]
        assert coverage[10, 10] == 1
        assert coverage.sum() == 1


def test_point_covers_four_buffer_pixels_and_none_outside_the_photo() -> None:
    buffer = DepthBuffer()
    grey = np.full((3, 1), 0.5, np.float32)
    buffer.splat_points(np.array([20.5]), np.array([30.0]), np.zeros(1), grey)
    for x, y in ((-0.6, 5.0), (5.0, PHOTO_EDGE - 0.4), (float(PHOTO_EDGE), 5.0), (5.0, -3.0)):
        buffer.splat_points(np.array([x]), np.array([y]), np.zeros(1), grey)
    image, coverage = buffer.to_image_and_coverage()
    assert np.argwhere(coverage).tolist() == [[30, 20], [30, 21]]
    assert coverage[30, 20:22].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(image, 0.5 * coverage * np.ones((3, 1, 1)))


def test_gap_of_one_buffer_pixel_is_filled_and_a_wider_one_is_not() -> None:
    buffer = DepthBuffer()
    for x in (10.0, 11.5, 20.0, 22.0):
        buffer.splat_points(np.array([x]), np.array([10.0]), np.zeros(1), np.ones((3, 1), np.float32))
    _, coverage = buffer.to_image_and_coverage()
    assert coverage[10, 10:14].tolist() == [1, 1, 0.5, 0]
    assert coverage[10, 20:23].tolist() == [1, 0, 1]


def test_shadow_lies_on_the_side_away_from_the_lamp() -> None:
    floor = camera().shoe_to_floor(plate(0.2)).reshape(3, -1)
    for side in (-1.0, 1.0):
        light = Light((side * 0.6, 0.0, 0.8), LAMP.colour, 0.5, (0.0, 0.0), 0.0)
        shadow = rendering.shadow_map([floor], light, camera())
        assert shadow.shape == (PHOTO_EDGE, PHOTO_EDGE)
        assert 0 <= shadow.min() < shadow.max() <= 0.75 * 0.5 + 1e-6
        column = (shadow.sum(0) * np.arange(PHOTO_EDGE)).sum() / shadow.sum()
        # The shadow of a low lamp is limited to `MAX_SHADOW_LENGTH` per height, along the light.
        assert column == pytest.approx(111.5 - side * 0.2 * 0.75 * 0.6 * 100, abs=0.5)
    assert not rendering.shadow_map([], LAMP, camera()).any()
    under = rendering.shadow_map([camera().shoe_to_floor(plate(0.0)).reshape(3, -1)], LAMP, camera())
    assert under[MIDDLE, MIDDLE] == pytest.approx(0.75 * 0.5 + 0.45, abs=1e-3), "darkest at the sole"


def test_floor_below_an_upright_camera_is_the_middle_of_its_texture() -> None:
    texture = np.random.default_rng(1).random((3, TEXTURE_EDGE, TEXTURE_EDGE)).astype(np.float32)
    start = (TEXTURE_EDGE - PHOTO_EDGE) // 2
    floor = rendering.render_floor_as_floats(texture, camera())
    np.testing.assert_array_equal(floor, texture[:, start : start + PHOTO_EDGE, start : start + PHOTO_EDGE])
    shifted = Camera((1, 0), (1, 0), 100, (112, 112), (0.0, 1.0), (3.0, -5.0), (1, 1, 1))
    part = texture[:, start - 5 : start - 5 + PHOTO_EDGE, start + 4 : start + 4 + PHOTO_EDGE]
    np.testing.assert_array_equal(rendering.render_floor_as_floats(texture, shifted), part.transpose(0, 2, 1)[:, ::-1])


def test_photo_without_a_shoe_is_the_floor_in_its_light() -> None:
    texture = np.full((3, TEXTURE_EDGE, TEXTURE_EDGE), 0.5, np.float32)
    light = Light(LAMP.direction, (1.0, 0.8, 0.6), 0.5, (0.1, 0.0), 0.1)
    view = Camera((1, 0), (1, 0), 100, (112, 112), (1, 0), (0, 0), (1.0, 1.0, 0.5))
    photo = rendering.render_photo_as_floats([], texture, light, view)
    expected = 0.5 * 255 * light.brightness_map() * np.array([1.0, 0.8, 0.3]).reshape(3, 1, 1)
    np.testing.assert_allclose(photo, expected, rtol=1e-5)


def test_invisible_points_do_not_change_the_photo() -> None:
    texture = np.full((3, TEXTURE_EDGE, TEXTURE_EDGE), 0.5, np.float32)
    red = np.zeros((3, 120, 120), np.float32)
    red[0] = 0.9
    hidden = SurfacePatch(plate(0.2), red, visible=np.zeros((120, 120), np.bool_))
    empty = rendering.render_photo_as_floats([], texture, LAMP, camera())
    np.testing.assert_array_equal(rendering.render_photo_as_floats([hidden], texture, LAMP, camera()), empty)
    half = SurfacePatch(plate(0.2), red, visible=np.arange(120)[:, None] < np.full(120, 60))
    photo = rendering.render_photo_as_floats([half], texture, LAMP, camera())
    # The first rows are towards the heel, which is at the top of the photo.
    assert photo[:, 100, 112] == pytest.approx([0.9 * 255 * (0.5 + 1.05 * 0.5), 0, 0], abs=0.5)
    assert photo[1, 120, 112] > 60
