"""Decorations: coverage and colour of each on the upper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shoepair.synthetic import decorations
from shoepair.synthetic.primitives import Floats
from shoepair.synthetic.shoe_styles import SHAPES_BY_STYLE, ColourScheme, ShoeLook

COVERAGES = decorations.ACCENT_COVERAGES | decorations.SECONDARY_COVERAGES | decorations.SHADING_COVERAGES
T, K = np.linspace(0, 1, 401)[:, None], np.linspace(-1, 1, 301)[None]
UPPER, SECOND, ACCENT = (0.5, 0.25, 0.125), (0.9, 0.1, 0.1), (0.1, 0.9, 0.1)
LOOK = ShoeLook(
    style="sneaker",
    shape=replace(SHAPES_BY_STYLE["sneaker"], closure="none"),
    colours=ColourScheme(UPPER, SECOND, ACCENT, (0.2, 0.2, 0.2)),
    sole_colour=(0.1, 0.1, 0.1),
    decorations=("plain", "plain"),
    gloss=0.0,
    grain_strength=0.2,
)


@pytest.mark.parametrize("name", COVERAGES)
def test_coverage_is_between_0_and_1_and_part_of_the_upper_is_left(name: str) -> None:
    coverage = COVERAGES[name](T, K)
    assert coverage.shape == (401, 301)
    assert 0 <= coverage.min() < 0.01
    assert 0.7 < coverage.max() <= 1
    assert 0.001 < (coverage > 0.5).mean() < 0.5


@pytest.mark.parametrize("name", sorted(COVERAGES.keys() - {"mesh", "brogue"}))  # these count dots from the inner edge
def test_decoration_is_the_same_on_both_sides(name: str) -> None:
    np.testing.assert_allclose(COVERAGES[name](T, K), COVERAGES[name](T, -K), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "on", "off"),
    [
        ("stripes", (0.40, 0.70), (0.45, 0.70)),
        ("swoosh", (0.45, 0.70), (0.45, 0.40)),
        ("patch", (0.35, 0.75), (0.50, 0.75)),
        ("disc", (0.36, 0.76), (0.36, 0.55)),
        ("toecap", (0.95, 0.0), (0.75, 0.0)),
        ("panel", (0.55, 0.70), (0.55, 0.55)),
        ("counter", (0.10, 0.5), (0.25, 0.5)),
        ("eyestay", (0.55, 0.0), (0.55, 0.5)),
        ("mesh", (0.725, 0.5 / 22), (0.725, 0.95 / 22)),
        ("seam", (0.782, 0.0), (0.792, 0.0)),
        ("brogue", (0.85, 0.5 / 14), (0.85, 0.0)),
        ("apron", (0.60, 0.52), (0.60, 0.30)),
        ("gore", (0.28, 0.2), (0.40, 0.2)),
    ],
)
def test_decoration_covers_its_position(name: str, on: tuple[float, float], off: tuple[float, float]) -> None:
    inside, outside = (COVERAGES[name](np.array([[t]]), np.array([[k]])).item() for t, k in (on, off))
    assert inside > 0.7
    assert outside < 0.05


def upper_colours(*names: str, closure: str = "none", grain: float = 0.5) -> Floats:
    look = replace(LOOK, decorations=names, shape=replace(LOOK.shape, closure=closure))
    return decorations.upper_colours(look, T, K, np.full((401, 301), grain))


def test_plain_upper_has_its_colour_and_grain() -> None:
    for grain, bright in ((0.5, 1.0), (1.0, 1.1), (0.0, 0.9)):
        colours = upper_colours("plain", "unknown", grain=grain)
        expected = np.array(UPPER).reshape(3, 1, 1) * bright
        np.testing.assert_allclose(colours, np.broadcast_to(expected, (3, 401, 301)), rtol=1e-6)


@pytest.mark.parametrize("name", COVERAGES)
def test_each_decoration_has_the_colour_of_its_table_or_shades(name: str) -> None:
    coverage, base = COVERAGES[name](T, K), np.array(UPPER).reshape(3, 1, 1)
    if name in decorations.SHADING_COVERAGES:
        expected = base * (1 - 0.5 * coverage)
    else:
        colour = np.array(ACCENT if name in decorations.ACCENT_COVERAGES else SECOND).reshape(3, 1, 1)
        expected = base + (colour - base) * coverage
    np.testing.assert_allclose(upper_colours(name), expected, atol=1e-6)


def test_second_decoration_covers_the_first_and_the_closure_both() -> None:
    both = upper_colours("panel", "counter")
    assert np.allclose(both[:, 20, -1], SECOND)
    over = upper_colours("swoosh", "panel")
    assert np.allclose(over[:, 180, 150 + 115], SECOND)
    under = upper_colours("panel", "swoosh")
    assert np.allclose(under[:, 180, 150 + 115], ACCENT)
    np.testing.assert_allclose(upper_colours("plain", closure="gore"), upper_colours("gore"), atol=1e-12)
