"""Styles: shapes that can be rendered, matching colours, pairs that differ."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.synthetic import decorations, shoe_styles
from shoepair.synthetic.shoe_styles import SHAPES_BY_STYLE, ShoeShape

CLOSURES = {"laces", "bow", "strap", "gore", "penny", "none"}
ALL_NAMES = {*decorations.ACCENT_COVERAGES, *decorations.SECONDARY_COVERAGES, *decorations.SHADING_COVERAGES, "plain"}


@pytest.mark.parametrize("shape", SHAPES_BY_STYLE.values(), ids=SHAPES_BY_STYLE)
def test_shape_of_every_style_can_be_rendered(shape: ShoeShape) -> None:
    along = [knot for knot, _ in shape.ridge_profile]
    assert (along[0], along[-1]) == (0, 1)
    assert all(before < after for before, after in pairwise(along))
    assert shape.closure in CLOSURES
    assert bool(shape.strap_ranges) == (shape.opening_end == 0)
    assert shape.closure == "none" or not shape.strap_ranges, "an open shoe is held by its straps"
    assert all(0 <= start < end <= 1 for start, end in shape.strap_ranges)
    assert 0 <= shape.opening_half_width < 1
    assert shape.height_at_heel == pytest.approx(shape.sole_thickness + shape.heel_rise + shape.ridge_profile[0][1])


def test_every_name_that_can_be_drawn_is_in_its_table() -> None:
    for styles in shoe_styles.STYLES_BY_CATEGORY.values():
        assert len(set(styles)) == len(styles) >= 3, "a student has three different ones"
        assert set(styles) <= set(SHAPES_BY_STYLE)
    assert set(shoe_styles.SPORT_STYLES) | set(shoe_styles.DRESS_STYLES) <= set(SHAPES_BY_STYLE)
    names = {
        *shoe_styles.SOBER_COLOURS,
        *shoe_styles.BRIGHT_COLOURS,
        *shoe_styles.SOLE_COLOURS,
        *shoe_styles.ACCENT_COLOURS,
        *shoe_styles.LINING_COLOURS,
    }
    assert names <= set(shoe_styles.COLOURS_BY_NAME)
    assert {*shoe_styles.SOBER_COLOURS, *shoe_styles.BRIGHT_COLOURS} == set(shoe_styles.COLOURS_BY_NAME), (
        "no upper has this colour"
    )


@given(st.sampled_from(sorted(shoe_styles.COLOURS_BY_NAME)), st.floats(0, 0.3), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_varied_colour_differs_by_the_spread_at_most_and_dark_ones_less(name: str, spread: float, seed: int) -> None:
    colour = shoe_styles.COLOURS_BY_NAME[name]
    varied = shoe_styles.sample_similar_colour(np.random.default_rng(seed), colour, spread)
    limit = spread * (0.3 + max(colour))
    assert all(abs(a - b) <= limit + 1e-9 for a, b in zip(varied, colour, strict=True))
    assert all(0.02 <= channel <= 0.95 for channel in varied)


def test_varied_colours_cover_all_of_the_spread() -> None:
    rng = np.random.default_rng(1)
    varied = np.array([shoe_styles.sample_similar_colour(rng, (0.5, 0.5, 0.5), 0.1) for _ in range(200)])
    np.testing.assert_allclose(varied.max(0), 0.58, atol=0.003)
    np.testing.assert_allclose(varied.min(0), 0.42, atol=0.003)


@pytest.mark.parametrize("style", SHAPES_BY_STYLE)
def test_pair_keeps_the_shape_of_its_style_except_proportions(style: str) -> None:
    shape = SHAPES_BY_STYLE[style]
    scheme = shoe_styles.sample_colour_scheme(np.random.default_rng(1), "red")
    looks = [shoe_styles.sample_look(np.random.default_rng(seed), style, scheme) for seed in range(20)]
    assert looks[3] == shoe_styles.sample_look(np.random.default_rng(3), style, scheme)
    for look in looks:
        assert (look.style, look.colours) == (style, scheme)
        assert 0.96 <= look.shape.relative_width / shape.relative_width <= 1.04
        assert 0.85 <= look.shape.sole_thickness / shape.sole_thickness <= 1.20
        assert 0 <= look.shape.toe_pointedness - shape.toe_pointedness <= 0.08
        assert (look.shape.ridge_profile, look.shape.closure, look.shape.strap_ranges) == (
            shape.ridge_profile,
            shape.closure,
            shape.strap_ranges,
        )
        assert set(look.decorations) <= ALL_NAMES
        assert 0 < look.gloss <= 0.85
        assert 0.06 <= look.grain_strength <= 0.26
    assert len({look.shape.relative_width for look in looks}) == 20


def test_sports_shoes_are_matt_and_on_light_or_dark_rubber_and_others_on_dark_soles() -> None:
    scheme = shoe_styles.sample_colour_scheme(np.random.default_rng(1), "red")
    sneakers, oxfords = (
        [shoe_styles.sample_look(np.random.default_rng(seed), style, scheme) for seed in range(30)]
        for style in ("sneaker", "oxford")
    )
    assert max(look.gloss for look in sneakers) <= 0.15
    assert max(look.gloss for look in oxfords) > 0.4
    assert max(max(look.sole_colour) for look in sneakers) > 0.8
    assert max(max(look.sole_colour) for look in oxfords) < 0.15


def test_decorations_are_tone_in_tone_or_in_contrast() -> None:
    schemes = [shoe_styles.sample_colour_scheme(np.random.default_rng(seed), "navy") for seed in range(60)]
    tonal = [scheme for scheme in schemes if scheme.secondary == scheme.accent]
    assert 15 < len(tonal) < 50
    assert shoe_styles.COLOURS_BY_NAME["white"] in {scheme.accent for scheme in schemes}, "white on a dark shoe"
    for scheme in schemes:
        assert scheme.lining in [shoe_styles.COLOURS_BY_NAME[name] for name in shoe_styles.LINING_COLOURS]
        assert scheme.upper == pytest.approx(shoe_styles.COLOURS_BY_NAME["navy"], abs=0.05 * 0.58 + 1e-9)
    pale = {shoe_styles.sample_colour_scheme(np.random.default_rng(seed), "cream").accent for seed in range(60)}
    assert shoe_styles.COLOURS_BY_NAME["charcoal"] in pale, "charcoal on a pale one"
