"""Photos of surfaces: where points come to lie, how they are lit, what hides what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shoepair.synthetic import rendering
from shoepair.synthetic.primitives import EDGE, TEXTURE, unit
from shoepair.synthetic.rendering import Camera, Canvas, Light, Patch

Floats = NDArray[np.floating[Any]]
MIDDLE = EDGE // 2
LAMP = Light(towards=(0.0, 0.0, 1.0), colour=(1.0, 1.0, 1.0), ambient=0.5, fall=(0.0, 0.0), vignette=0.0)


def camera(
    *, heading: tuple[float, float] = (1.0, 0.0), tilt: tuple[float, float] = (1.0, 0.0), scale: float = 100.0
) -> Camera:
    """A camera above the middle of the photo, with nothing turned or shifted but what is told."""
    return Camera(heading, tilt, scale, (112.0, 112.0), (1.0, 0.0), (0.0, 0.0), (1.0, 1.0, 1.0))


def plate(height: float, edge: float = 0.4, count: int = 120) -> Floats:
    """A square in the middle of the shoe, at a height above the floor: (3, A, B)."""
    side = np.linspace(-edge / 2, edge / 2, count, dtype=np.float32)
    y, x = np.meshgrid(side + 0.5, side, indexing="ij")
    return np.stack([x, y, np.full_like(x, height)])


def test_light_falls_off_towards_the_sides_and_the_corners() -> None:
    assert (LAMP.field() == 1).all()
    sloped = Light(LAMP.towards, LAMP.colour, 0.5, (0.16, -0.08), 0.0).field()
    assert sloped.shape == (EDGE, EDGE)
    edge = (EDGE - 1) / EDGE
    assert sloped[0, 0] == pytest.approx(1 - 0.16 * edge + 0.08 * edge)
    assert sloped[0, -1] == pytest.approx(1 + 0.16 * edge + 0.08 * edge)
    assert sloped[-1, 0] == pytest.approx(1 - 0.16 * edge - 0.08 * edge)
    corners = Light(LAMP.towards, LAMP.colour, 0.5, (0.0, 0.0), 0.2).field()
    assert corners[MIDDLE, MIDDLE] == pytest.approx(1, abs=1e-4)
    assert corners[0, 0] == corners[-1, -1] == pytest.approx(1 - 0.2 * edge * edge)


def test_shoe_stands_with_its_middle_in_the_middle_and_its_toe_towards_the_viewer() -> None:
    view = camera()
    heel, toe, outer = (np.array(point) for point in ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.25, 0.5, 0.0)))
    assert [np.round(float(each), 6) for each in view.project(view.stand(heel))] == [112, 62]
    assert [np.round(float(each), 6) for each in view.project(view.stand(toe))] == [112, 162]
    assert [np.round(float(each), 6) for each in view.project(view.stand(outer))] == [87, 112]


@pytest.mark.parametrize("turn", [-0.4, 0.0, 0.33, 1.0])
def test_standing_keeps_the_shape_and_a_higher_point_is_higher_in_the_photo(turn: float) -> None:
    view = camera(heading=unit(turn), tilt=unit(0.3))
    points = np.random.default_rng(1).random((3, 20)).astype(np.float32)
    floor = view.stand(points)
    apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=0)
    np.testing.assert_allclose(np.linalg.norm(floor[:, :, None] - floor[:, None], axis=0), apart, atol=1e-5)
    raised = floor + np.array([[0.0], [0.0], [0.1]])
    (x, y), (raised_x, raised_y) = view.project(floor), view.project(raised)
    np.testing.assert_allclose(raised_x, x, atol=1e-4)
    np.testing.assert_allclose(y - raised_y, 0.1 * 100 * unit(0.3)[1], atol=1e-4)
    assert (view.depth(raised) > view.depth(floor)).all()


def test_normals_are_of_length_one_and_look_at_the_viewer() -> None:
    up = rendering.normals(plate(0.1), (0.0, 0.0, 1.0))
    np.testing.assert_allclose(up, np.broadcast_to(np.array([0, 0, 1.0]).reshape(3, 1, 1), up.shape), atol=1e-6)
    turned = rendering.normals(plate(0.1).transpose(0, 2, 1), (0.0, 0.0, 1.0))
    np.testing.assert_allclose(turned, up.transpose(0, 2, 1), atol=1e-6)
    bent = plate(0.0)
    bent[2] = bent[0] * bent[0]
    found = rendering.normals(bent, (0.0, 0.0, 1.0))
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), 1, atol=1e-5)
    x = bent[0, 0, 1:-1]
    np.testing.assert_allclose(found[0, 5, 1:-1] / found[2, 5, 1:-1], -2 * x, atol=1e-4)


def test_surface_is_brightest_where_it_looks_at_the_lamp() -> None:
    colour = np.full((3, 120, 120), 0.4, np.float32)
    plain, glossy = (Patch(plate(0.3), colour, gloss) for gloss in (0.0, 1.0))
    lit = rendering.shade(plain, plain.points, LAMP, camera())
    np.testing.assert_allclose(lit, 0.4 * (0.5 + 1.05 * 0.5), atol=1e-5)
    np.testing.assert_allclose(rendering.shade(glossy, plain.points, LAMP, camera()), lit + 0.55, atol=1e-4)
    low = Light((0.6, 0.0, 0.8), LAMP.colour, 0.5, (0.0, 0.0), 0.0)
    aside = rendering.shade(plain, plain.points, low, camera())
    np.testing.assert_allclose(aside, 0.4 * (0.5 + 1.05 * 0.5 * 0.8), atol=1e-5)
    shine = 0.5 * (1.8 / np.hypot(0.6, 1.8)) ** 16 + 0.05  # of the angle half way between lamp and view
    np.testing.assert_allclose(rendering.shade(glossy, plain.points, low, camera()), aside + shine, atol=1e-4)
    on_the_floor = rendering.shade(plain, plate(0.0), LAMP, camera())
    np.testing.assert_allclose(on_the_floor, 0.72 * lit, atol=1e-5)


def test_nearest_point_hides_the_others_whichever_came_first() -> None:
    x = y = np.array([10.0])
    red, green = np.array([[1.0], [0.0], [0.0]], np.float32), np.array([[0.0], [1.0], [0.0]], np.float32)
    for first, second in (((red, 0.1), (green, 0.2)), ((green, 0.2), (red, 0.1))):
        canvas = Canvas()
        for colour, depth in (first, second):
            canvas.splat(x, y, np.array([depth]), colour)
        picture, cover = canvas.picture()
        assert picture[:, 10, 10].tolist() == [0, 1, 0]
        assert cover[10, 10] == 1
        assert cover.sum() == 1


def test_point_covers_four_fine_pixels_and_none_outside_of_the_photo() -> None:
    canvas = Canvas()
    grey = np.full((3, 1), 0.5, np.float32)
    canvas.splat(np.array([20.5]), np.array([30.0]), np.zeros(1), grey)
    for place in ((-0.6, 5.0), (5.0, EDGE - 0.4), (float(EDGE), 5.0), (5.0, -3.0)):
        canvas.splat(np.array([place[0]]), np.array([place[1]]), np.zeros(1), grey)
    picture, cover = canvas.picture()
    assert np.argwhere(cover).tolist() == [[30, 20], [30, 21]]
    assert cover[30, 20:22].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(picture, 0.5 * cover * np.ones((3, 1, 1)))


def test_gap_of_one_fine_pixel_is_closed_and_a_wider_one_is_not() -> None:
    canvas = Canvas()
    for x in (10.0, 11.5, 20.0, 22.0):
        canvas.splat(np.array([x]), np.array([10.0]), np.zeros(1), np.ones((3, 1), np.float32))
    _, cover = canvas.picture()
    assert cover[10, 10:14].tolist() == [1, 1, 0.5, 0]
    assert cover[10, 20:23].tolist() == [1, 0, 1]


def test_shadow_lies_on_the_side_away_from_the_lamp() -> None:
    floor = camera().stand(plate(0.2)).reshape(3, -1)
    for side in (-1.0, 1.0):
        light = Light((side * 0.6, 0.0, 0.8), LAMP.colour, 0.5, (0.0, 0.0), 0.0)
        found = rendering.shadow([floor], light, camera())
        assert found.shape == (EDGE, EDGE)
        assert 0 <= found.min() < found.max() <= 0.75 * 0.5 + 1e-6
        column = (found.sum(0) * np.arange(EDGE)).sum() / found.sum()
        # Of a low lamp the shadow is shortened: `REACH` floor lengths per height, along the light.
        assert column == pytest.approx(111.5 - side * 0.2 * 0.75 * 0.6 * 100, abs=0.5)
    assert not rendering.shadow([], LAMP, camera()).any()
    under = rendering.shadow([camera().stand(plate(0.0)).reshape(3, -1)], LAMP, camera())
    assert under[MIDDLE, MIDDLE] == pytest.approx(0.75 * 0.5 + 0.45, abs=1e-3), "at the sole it is darkest"


def test_floor_below_an_upright_camera_is_the_middle_of_its_texture() -> None:
    texture = np.random.default_rng(1).random((3, TEXTURE, TEXTURE)).astype(np.float32)
    start = (TEXTURE - EDGE) // 2
    found = rendering.look(texture, camera())
    np.testing.assert_array_equal(found, texture[:, start : start + EDGE, start : start + EDGE])
    shifted = Camera((1, 0), (1, 0), 100, (112, 112), (0.0, 1.0), (3.0, -5.0), (1, 1, 1))
    turned = texture[:, start - 5 : start - 5 + EDGE, start + 4 : start + 4 + EDGE].transpose(0, 2, 1)[:, :, ::1]
    np.testing.assert_array_equal(rendering.look(texture, shifted), turned[:, ::-1])


def test_photo_without_a_shoe_is_the_floor_in_its_light() -> None:
    texture = np.full((3, TEXTURE, TEXTURE), 0.5, np.float32)
    light = Light(LAMP.towards, (1.0, 0.8, 0.6), 0.5, (0.1, 0.0), 0.1)
    view = Camera((1, 0), (1, 0), 100, (112, 112), (1, 0), (0, 0), (1.0, 1.0, 0.5))
    found = rendering.render([], texture, light, view)
    wanted = 0.5 * 255 * light.field() * np.array([1.0, 0.8, 0.3]).reshape(3, 1, 1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_points_that_are_not_shown_leave_no_trace_in_the_photo() -> None:
    texture = np.full((3, TEXTURE, TEXTURE), 0.5, np.float32)
    red = np.zeros((3, 120, 120), np.float32)
    red[0] = 0.9
    hidden = Patch(plate(0.2), red, shown=np.zeros((120, 120), np.bool_))
    empty = rendering.render([], texture, LAMP, camera())
    np.testing.assert_array_equal(rendering.render([hidden], texture, LAMP, camera()), empty)
    half = Patch(plate(0.2), red, shown=np.arange(120)[:, None] < np.full(120, 60))
    found = rendering.render([half], texture, LAMP, camera())
    # The first rows are those towards the heel, which is above in the photo.
    assert found[:, 100, 112] == pytest.approx([0.9 * 255 * (0.5 + 1.05 * 0.5), 0, 0], abs=0.5)
    assert found[1, 120, 112] > 60
