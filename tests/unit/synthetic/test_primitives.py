"""Picture primitives: curves, colours, noise and blur, by their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.synthetic import primitives as drawing

LINE = np.linspace(-1, 2, 301)


@given(st.floats(-20, 20))
@settings(max_examples=40, deadline=None)
def test_unit_is_a_direction_whose_mirror_image_has_the_other_sign(k: float) -> None:
    cos, sin = drawing.unit(k)
    assert cos * cos + sin * sin == pytest.approx(1)
    assert drawing.unit(-k) == (cos, -sin)
    assert np.arctan2(sin, cos) == pytest.approx(2 * np.arctan(k))


def test_step_rises_or_falls_between_its_ends_and_is_flat_outside() -> None:
    rising = drawing.smooth(0.25, 0.75, LINE)
    assert (rising[LINE <= 0.25] == 0).all()
    assert (rising[LINE >= 0.75] == 1).all()
    assert (np.diff(rising[(LINE >= 0.25) & (LINE <= 0.75)]) > 0).all()
    np.testing.assert_allclose(drawing.smooth(0.75, 0.25, LINE), 1 - rising, atol=1e-12)
    assert drawing.smooth(0.25, 0.75, np.array([0.5, 0.375])).tolist() == [0.5, 0.15625]


def test_band_is_one_within_and_nothing_outside() -> None:
    found = drawing.band(LINE, 0.2, 0.6, 0.05)
    assert (found[(LINE > 0.2501) & (LINE < 0.5499)] == 1).all()
    assert (found[(LINE < 0.1499) | (LINE > 0.6501)] == 0).all()
    assert drawing.band(np.array([0.2, 0.6]), 0.2, 0.6, 0.05).tolist() == pytest.approx([0.5, 0.5])


def test_curve_goes_through_its_knots_and_stays_there_beyond_the_ends() -> None:
    knots = ((0.0, 0.25), (0.2, 0.5), (0.5, 0.125), (1.0, 0.75))
    at, value = np.array(knots, np.float32).T
    np.testing.assert_allclose(drawing.curve(knots, at), value, atol=1e-6)
    assert drawing.curve(knots, np.array([-3.0, 7.0])).tolist() == [0.25, 0.75]
    # Between two knots it is Hermite's, with the neighbours' slope at the inner ones and none at the ends.
    slope = (0.125 - 0.25) / 0.5
    wanted = (0.25 + 0.5) / 2 + 0.2 / 8 * (0 - slope)
    assert drawing.curve(knots, np.array([0.1])).item() == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(drawing.curve(((0, 0.5), (0.3, 0.5), (1, 0.5)), LINE), 0.5, atol=1e-6)


def test_paint_covers_as_much_as_its_share() -> None:
    base = np.full((3, 2, 2), 0.5, np.float32)
    share = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    found = drawing.tint(base, (1.0, 0.5, 0.0), share)
    assert found[0].tolist() == [[0.5, 0.625], [0.75, 1.0]]
    assert found[1].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert found[2].tolist() == [[0.5, 0.375], [0.25, 0.0]]
    assert drawing.flat((0.25, 0.5, 1.0)).shape == (3, 1, 1)
    assert drawing.flat((0.25, 0.5, 1.0)).ravel().tolist() == [0.25, 0.5, 1.0]


def test_noise_interpolates_a_table_that_repeats_itself() -> None:
    def noise(u: object, v: object) -> list[float]:
        rng = np.random.default_rng(3)
        found: list[float] = drawing.mottle(rng, np.asarray(u, np.float64), np.asarray(v, np.float64)).tolist()
        return found

    table = np.random.default_rng(3).random((64, 64), dtype=np.float32)
    assert noise([3, 60, -1], [7, 2, 64]) == [table[3, 7], table[60, 2], table[63, 0]]
    assert noise([3.5], [7]) == pytest.approx([(table[3, 7] + table[4, 7]) / 2])
    assert noise([3], [7.5]) == pytest.approx([(table[3, 7] + table[3, 8]) / 2])
    assert noise([63.5], [9]) == pytest.approx([(table[63, 9] + table[0, 9]) / 2])
    assert noise([3.25], [7.75]) == pytest.approx(noise([67.25], [-56.25]), abs=1e-6)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_halving_takes_the_mean_of_four_neighbours(layers: int, edge: int, seed: int) -> None:
    fine = np.random.default_rng(seed).integers(0, 99, (layers, 2 * edge, 2 * edge)).astype(np.float32)
    found = drawing.halve(fine)
    np.testing.assert_allclose(found, fine.reshape(layers, edge, 2, edge, 2).mean((2, 4)), rtol=1e-6)
    assert 4 * found.sum() == pytest.approx(fine.sum())


def test_blur_spreads_a_point_evenly_and_leaves_plains_as_they_are() -> None:
    point = np.zeros((41, 41), np.bool_)
    point[20, 20] = True
    found = drawing.blur(point, 3)
    assert found.sum() == pytest.approx(1)
    assert found[20, 20] == found.max()
    for other in (found[::-1], found[:, ::-1], found.T):
        np.testing.assert_array_equal(other, found)
    assert np.argwhere(found).min() == 20 - 9
    assert np.argwhere(found).max() == 20 + 9
    assert (drawing.blur(np.ones((9, 9), np.bool_), 4) == 1).all()
    assert not drawing.blur(np.zeros((9, 9), np.bool_), 4).any()


def test_grain_is_noise_about_nothing_of_the_strength_that_is_asked_for() -> None:
    found = drawing.grain(np.random.default_rng(1), 2.0)
    assert found.shape == (3, drawing.EDGE, drawing.EDGE)
    assert found.dtype == np.float32
    assert abs(found.mean()) < 0.02
    assert found.std() == pytest.approx(2.0, rel=0.02)
    assert abs(np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1]) < 0.02
    np.testing.assert_allclose(drawing.grain(np.random.default_rng(1), 4.0), 2 * found, rtol=1e-6)
    assert not drawing.grain(np.random.default_rng(1), 0.0).any()
