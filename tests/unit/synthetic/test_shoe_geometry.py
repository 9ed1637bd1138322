"""Surface patches of shoes: outlines, soles, openings, and the parts of each style."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shoepair.synthetic import shoe_geometry, shoe_styles
from shoepair.synthetic.shoe_styles import SHAPES_BY_STYLE, ShoeLook, ShoeShape

T = np.linspace(0, 1, 201)
SCHEME = shoe_styles.sample_colour_scheme(np.random.default_rng(1), "blue")
COLOUR = (0.2, 0.4, 0.6)


def look(style: str) -> ShoeLook:
    return ShoeLook(style, SHAPES_BY_STYLE[style], SCHEME, (0.1, 0.1, 0.1), ("plain", "plain"), 0.2, 0.1)


@pytest.mark.parametrize("shape", SHAPES_BY_STYLE.values(), ids=SHAPES_BY_STYLE)
def test_outline_is_closed_at_both_ends_and_widest_at_the_ball(shape: ShoeShape) -> None:
    inner, outer = shoe_geometry.inner_and_outer_foot_edges(shape, T)
    wide = outer - inner
    assert (wide >= 0).all()
    assert wide[[0, -1]] == pytest.approx([0, 0], abs=1e-6)
    assert 0.55 < T[wide.argmax()] < 0.75
    assert wide.max() == pytest.approx(2 * 0.18 * shape.relative_width, rel=0.02)
    assert (outer + inner)[-1] < 0, "a right shoe's toe points inwards"


@pytest.mark.parametrize("shape", SHAPES_BY_STYLE.values(), ids=SHAPES_BY_STYLE)
def test_sole_is_as_thick_as_its_shape_and_stands_on_the_floor(shape: ShoeShape) -> None:
    low, top = shoe_geometry.sole_bottom_and_top_heights(shape, T)
    assert (low >= -1e-9).all()
    assert low.min() == pytest.approx(0, abs=1e-9)
    assert top[0] == pytest.approx(shape.sole_thickness + shape.heel_rise)
    ball = T.searchsorted(0.7)
    assert top[ball] - low[ball] == pytest.approx(shape.sole_thickness)
    assert top[-1] == pytest.approx(shape.sole_thickness + 0.015)
    heel = low[: T.searchsorted(0.26)]
    assert heel.max() == pytest.approx(shape.heel_rise if shape.has_thin_heel else 0, abs=1e-9)


def test_opening_is_as_wide_as_its_shape_and_closed_behind_its_end() -> None:
    shape = SHAPES_BY_STYLE["sneaker"]
    along = np.array([0.0, 0.03, (0.03 + shape.opening_end) / 2, shape.opening_end, 0.9])
    widths = shoe_geometry.opening_half_widths(shape, along)
    assert widths.tolist() == pytest.approx([0, 0, shape.opening_half_width, 0, 0])


@pytest.mark.parametrize("style", ["oxford", "boot", "pump"])
def test_upper_reaches_from_edge_to_edge_over_the_ridge(style: str) -> None:
    shape = SHAPES_BY_STYLE[style]
    t = T[1:-1, None]
    inner, outer = shoe_geometry.inner_and_outer_foot_edges(shape, t)
    _, top = shoe_geometry.sole_bottom_and_top_heights(shape, t)
    points = shoe_geometry.upper_surface_points(shape, t, np.array([[-1.0, 0.0, 1.0]]))
    assert points.shape == (3, 199, 3)
    np.testing.assert_allclose(points[0], np.hstack([inner, (inner + outer) / 2, outer]), atol=1e-6)
    np.testing.assert_allclose(points[1], np.broadcast_to(t, (199, 3)))
    ridge = top + shoe_geometry.ridge_heights(shape, t)
    np.testing.assert_allclose(points[2], np.hstack([top, ridge, top]), atol=1e-6)
    np.testing.assert_allclose(
        shoe_geometry.upper_surface_points(shape, t, np.array([[0.3]]), 0.1)[2]
        - shoe_geometry.upper_surface_points(shape, t, np.array([[0.3]]))[2],
        0.1,
    )


# Two walls and a footbed; outside and inside of an upper; five crossings of two laces, two loops and two ends.
@pytest.mark.parametrize(
    ("style", "count"),
    [
        ("sneaker", 3 + 2 + 1 + 10 + 4),
        ("chelsea", 3 + 2),
        ("loafer", 3 + 2 + 1),
        ("slide", 3 + 1),
        ("sandal", 3 + 3),
        ("pump", 3 + 1 + 2),
        ("ballerina", 3 + 2 + 4),
        ("maryjane", 3 + 2 + 1),
        ("strappy", 3 + 1 + 3),
    ],
)
def test_style_has_its_parts(style: str, count: int) -> None:
    patches = shoe_geometry.list_shoe_patches(look(style), False, np.random.default_rng(1))
    assert len(patches) == count
    for patch in patches:
        assert np.isfinite(patch.points).all()
        shape = patch.points.shape[1:]
        assert np.broadcast_shapes(patch.colour.shape, (3, *shape)) == (3, *shape)
        assert patch.visible is None or patch.visible.shape == shape
    lowest = min(float(patch.points[2].min()) for patch in patches)
    assert lowest == pytest.approx(0, abs=0.002), "the shoe does not stand on the floor"


def test_photo_changes_the_laces_and_the_grain_but_no_shape_of_the_shoe() -> None:
    first, second = (
        shoe_geometry.list_shoe_patches(look("sneaker"), False, np.random.default_rng(seed)) for seed in (1, 2)
    )
    moved = [not np.array_equal(a.points, b.points) for a, b in zip(first, second, strict=True)]
    assert moved == [False] * (3 + 2 + 1 + 10) + [True] * 4, "only the bow moves"
    grain = [not np.array_equal(a.colour, b.colour) for a, b in zip(first, second, strict=True)]
    assert grain == [number == 3 for number in range(20)], "only the upper has a grain"


def test_inside_of_a_shoe_lies_below_its_rim_and_above_its_sole() -> None:
    shape = SHAPES_BY_STYLE["sneaker"]
    outside, inside = shoe_geometry.iter_upper_patches(look("sneaker"), np.random.default_rng(1))
    assert outside.visible is not None
    assert inside.visible is not None
    assert 0.1 < (~outside.visible).mean() < 0.2, "the opening"
    rows = inside.visible[:, 0]
    t = inside.points[1, :, 0]
    assert t[rows].min() >= 0.03
    assert t[rows].max() <= shape.opening_end
    _, top = shoe_geometry.sole_bottom_and_top_heights(shape, t)
    assert (inside.points[2].min(1)[rows] >= top[rows] + 0.0119).all()
    assert (inside.points[2].max(1)[rows] <= (top + shoe_geometry.ridge_heights(shape, t))[rows] + 1e-6).all()
    assert (inside.colour.max((1, 2)) <= np.array(SCHEME.lining) + 1e-6).all()


def test_lace_is_half_a_tube_around_its_line() -> None:
    s = np.linspace(0, 1, 30)
    line = np.stack([0.3 * s, 0.4 * s, 0.1 + 0 * s])
    tube = shoe_geometry.build_tube_patch(line, 0.01, COLOUR, 0.4)
    assert tube.points.shape == (3, 30, 9)
    offsets = tube.points - line[:, :, None]
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=0), 0.01, rtol=1e-4)
    direction = np.array([0.3, 0.4, 0.0]).reshape(3, 1, 1)
    np.testing.assert_allclose((offsets * direction).sum(0), 0, atol=1e-9)
    assert (tube.points[2] >= 0.1 - 1e-9).all(), "only the upper half is built"
    np.testing.assert_allclose(offsets[:, :, 4], np.broadcast_to([[0], [0], [0.01]], (3, 30)), atol=1e-9)
    assert set(np.round(np.unique(tube.colour[0]), 6)) == {0.18, 0.2}
    assert tube.gloss == 0.4


def test_wider_shape_is_wider_and_as_long() -> None:
    narrow = look("loafer")
    wide = replace(narrow, shape=replace(narrow.shape, relative_width=1.2 * narrow.shape.relative_width))
    sizes = []
    for shoe in (narrow, wide):
        points = np.concatenate(
            [patch.points.reshape(3, -1) for patch in shoe_geometry.iter_sole_patches(shoe)], axis=1
        )
        sizes.append(np.ptp(points, axis=1))
    assert sizes[1][0] > 1.15 * sizes[0][0]
    assert sizes[1][1:] == pytest.approx(sizes[0][1:])
