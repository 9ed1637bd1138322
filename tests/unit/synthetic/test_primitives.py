"""Primitives: properties of curves, colours, noise and blur."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.synthetic import primitives

LINE = np.linspace(-1, 2, 301)


@given(st.floats(-20, 20))
@settings(max_examples=40, deadline=None)
def test_direction_of_the_opposite_tangent_is_its_mirror_image(k: float) -> None:
    cos, sin = primitives.cos_sin_of_half_tangent(k)
    assert cos * cos + sin * sin == pytest.approx(1)
    assert primitives.cos_sin_of_half_tangent(-k) == (cos, -sin)
    assert np.arctan2(sin, cos) == pytest.approx(2 * np.arctan(k))


def test_smoothstep_rises_or_falls_between_its_ends_and_is_constant_outside() -> None:
    rising = primitives.smoothstep(0.25, 0.75, LINE)
    assert (rising[LINE <= 0.25] == 0).all()
    assert (rising[LINE >= 0.75] == 1).all()
    assert (np.diff(rising[(LINE >= 0.25) & (LINE <= 0.75)]) > 0).all()
    np.testing.assert_allclose(primitives.smoothstep(0.75, 0.25, LINE), 1 - rising, atol=1e-12)
    assert primitives.smoothstep(0.25, 0.75, np.array([0.5, 0.375])).tolist() == [0.5, 0.15625]


def test_band_is_one_inside_and_zero_outside() -> None:
    band = primitives.smooth_band(LINE, 0.2, 0.6, 0.05)
    assert (band[(LINE > 0.2501) & (LINE < 0.5499)] == 1).all()
    assert (band[(LINE < 0.1499) | (LINE > 0.6501)] == 0).all()
    assert primitives.smooth_band(np.array([0.2, 0.6]), 0.2, 0.6, 0.05).tolist() == pytest.approx([0.5, 0.5])


def test_curve_passes_its_knots_and_is_constant_beyond_the_ends() -> None:
    knots = ((0.0, 0.25), (0.2, 0.5), (0.5, 0.125), (1.0, 0.75))
    x, value = np.array(knots, np.float32).T
    np.testing.assert_allclose(primitives.interpolate_curve(knots, x), value, atol=1e-6)
    assert primitives.interpolate_curve(knots, np.array([-3.0, 7.0])).tolist() == [0.25, 0.75]
    # Between knots: cubic Hermite, with the neighbours' slope at inner knots and slope 0 at the ends.
    slope = (0.125 - 0.25) / 0.5
    expected = (0.25 + 0.5) / 2 + 0.2 / 8 * (0 - slope)
    assert primitives.interpolate_curve(knots, np.array([0.1])).item() == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(primitives.interpolate_curve(((0, 0.5), (0.3, 0.5), (1, 0.5)), LINE), 0.5, atol=1e-6)


def test_colour_is_blended_by_opacity() -> None:
    base = np.full((3, 2, 2), 0.5, np.float32)
    opacity = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    blended = primitives.blend_colour(base, (1.0, 0.5, 0.0), opacity)
    assert blended[0].tolist() == [[0.5, 0.625], [0.75, 1.0]]
    assert blended[1].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert blended[2].tolist() == [[0.5, 0.375], [0.25, 0.0]]
    assert primitives.colour_array((0.25, 0.5, 1.0)).shape == (3, 1, 1)
    assert primitives.colour_array((0.25, 0.5, 1.0)).ravel().tolist() == [0.25, 0.5, 1.0]


def test_noise_interpolates_a_table_that_repeats_itself() -> None:
    def noise(u: object, v: object) -> list[float]:
        rng = np.random.default_rng(3)
        u, v = np.asarray(u, np.float64), np.asarray(v, np.float64)
        return list(primitives.value_noise(rng, u, v))

    table = np.random.default_rng(3).random((64, 64), dtype=np.float32)
    assert noise([3, 60, -1], [7, 2, 64]) == [table[3, 7], table[60, 2], table[63, 0]]
    assert noise([3.5], [7]) == pytest.approx([(table[3, 7] + table[4, 7]) / 2])
    assert noise([3], [7.5]) == pytest.approx([(table[3, 7] + table[3, 8]) / 2])
    assert noise([63.5], [9]) == pytest.approx([(table[63, 9] + table[0, 9]) / 2])
    assert noise([3.25], [7.75]) == pytest.approx(noise([67.25], [-56.25]), abs=1e-6)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_downsampling_takes_the_mean_of_four_neighbours(layers: int, edge: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 99, (layers, 2 * edge, 2 * edge)).astype(np.float32)
    means = primitives.downsample_by_two(image)
    np.testing.assert_allclose(means, image.reshape(layers, edge, 2, edge, 2).mean((2, 4)), rtol=1e-6)
    assert 4 * means.sum() == pytest.approx(image.sum())


def test_blur_spreads_a_point_evenly_and_keeps_constant_masks() -> None:
    point = np.zeros((41, 41), np.bool_)
    point[20, 20] = True
    blurred = primitives.blur_mask(point, 3)
    assert blurred.sum() == pytest.approx(1)
    assert blurred[20, 20] == blurred.max()
    for mirrored in (blurred[::-1], blurred[:, ::-1], blurred.T):
        np.testing.assert_array_equal(mirrored, blurred)
    assert np.argwhere(blurred).min() == 20 - 9
    assert np.argwhere(blurred).max() == 20 + 9
    assert (primitives.blur_mask(np.ones((9, 9), np.bool_), 4) == 1).all()
    assert not primitives.blur_mask(np.zeros((9, 9), np.bool_), 4).any()


def test_camera_noise_has_mean_0_and_the_given_strength() -> None:
    noise = primitives.draw_camera_noise(np.random.default_rng(1), 2.0)
    assert noise.shape == (3, primitives.PHOTO_EDGE, primitives.PHOTO_EDGE)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.02
    assert noise.std() == pytest.approx(2.0, rel=0.02)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.02
    np.testing.assert_allclose(primitives.draw_camera_noise(np.random.default_rng(1), 4.0), 2 * noise, rtol=1e-6)
    assert not primitives.draw_camera_noise(np.random.default_rng(1), 0.0).any()
