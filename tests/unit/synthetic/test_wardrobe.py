"""What students own: builds that can be drawn, colours that go together, pairs that differ."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.synthetic import trimmings, wardrobe
from shoepair.synthetic.wardrobe import FORMS, Form

CLOSURES = {"laces", "bow", "strap", "gore", "penny", "none"}
TRIMMINGS = {*trimmings.ACCENTS, *trimmings.SECONDS, *trimmings.SHADES, "plain"}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_build_of_every_kind_can_be_drawn(form: Form) -> None:
    at = [knot for knot, _ in form.height]
    assert (at[0], at[-1]) == (0, 1)
    assert all(before < after for before, after in pairwise(at))
    assert form.closure in CLOSURES
    assert bool(form.straps) == (form.front == 0)
    assert form.closure == "none" or not form.straps, "an open shoe is held by its straps"
    assert all(0 <= start < end <= 1 for start, end in form.straps)
    assert 0 <= form.opening < 1
    assert form.tall == pytest.approx(form.sole + form.rise + form.height[0][1])


def test_every_name_that_can_be_drawn_is_in_its_table() -> None:
    for kinds in wardrobe.KINDS.values():
        assert len(set(kinds)) == len(kinds) >= 3, "a student owns three different ones"
        assert set(kinds) <= set(FORMS)
    assert set(wardrobe.SPORTS) | set(wardrobe.DRESS) <= set(FORMS)
    names = {*wardrobe.SOBER, *wardrobe.BRIGHT, *wardrobe.MIDSOLES, *wardrobe.ACCENTS, *wardrobe.LININGS}
    assert names <= set(wardrobe.COLOURS)
    assert {*wardrobe.SOBER, *wardrobe.BRIGHT} == set(wardrobe.COLOURS), "a colour that no upper has"


@given(st.sampled_from(sorted(wardrobe.COLOURS)), st.floats(0, 0.3), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_near_colour_is_no_farther_than_it_may_and_dark_ones_less(name: str, spread: float, seed: int) -> None:
    colour = wardrobe.COLOURS[name]
    found = wardrobe.near(np.random.default_rng(seed), colour, spread)
    most = spread * (0.3 + max(colour))
    assert all(abs(a - b) <= most + 1e-9 for a, b in zip(found, colour, strict=True))
    assert all(0.02 <= channel <= 0.95 for channel in found)


def test_near_colours_are_spread_over_all_that_they_may_be() -> None:
    rng = np.random.default_rng(1)
    found = np.array([wardrobe.near(rng, (0.5, 0.5, 0.5), 0.1) for _ in range(200)])
    np.testing.assert_allclose(found.max(0), 0.58, atol=0.003)
    np.testing.assert_allclose(found.min(0), 0.42, atol=0.003)


@pytest.mark.parametrize("kind", FORMS)
def test_pair_keeps_the_build_of_its_kind_but_for_its_own_proportions(kind: str) -> None:
    form = FORMS[kind]
    scheme = wardrobe.draw_scheme(np.random.default_rng(1), "red")
    looks = [wardrobe.design(np.random.default_rng(seed), kind, scheme) for seed in range(20)]
    assert looks[3] == wardrobe.design(np.random.default_rng(3), kind, scheme)
    for look in looks:
        assert (look.kind, look.colours) == (kind, scheme)
        assert 0.96 <= look.form.width / form.width <= 1.04
        assert 0.85 <= look.form.sole / form.sole <= 1.20
        assert 0 <= look.form.point - form.point <= 0.08
        assert (look.form.height, look.form.closure, look.form.straps) == (form.height, form.closure, form.straps)
        assert set(look.trims) <= TRIMMINGS
        assert 0 < look.gloss <= 0.85
        assert 0.06 <= look.texture <= 0.26
    assert len({look.form.width for look in looks}) == 20


def test_sports_shoes_are_matt_and_on_light_or_dark_rubber_and_others_on_dark_soles() -> None:
    scheme = wardrobe.draw_scheme(np.random.default_rng(1), "red")
    sneakers, oxfords = (
        [wardrobe.design(np.random.default_rng(seed), kind, scheme) for seed in range(30)]
        for kind in ("sneaker", "oxford")
    )
    assert max(look.gloss for look in sneakers) <= 0.15
    assert max(look.gloss for look in oxfords) > 0.4
    assert max(max(look.sole) for look in sneakers) > 0.8
    assert max(max(look.sole) for look in oxfords) < 0.15


def test_trimmings_are_tone_in_tone_or_in_contrast() -> None:
    schemes = [wardrobe.draw_scheme(np.random.default_rng(seed), "navy") for seed in range(60)]
    tonal = [scheme for scheme in schemes if scheme.second == scheme.accent]
    assert 15 < len(tonal) < 50
    assert wardrobe.COLOURS["white"] in {scheme.accent for scheme in schemes}, "white on a dark shoe"
    for scheme in schemes:
        assert scheme.lining in [wardrobe.COLOURS[name] for name in wardrobe.LININGS]
        assert scheme.upper == pytest.approx(wardrobe.COLOURS["navy"], abs=0.05 * 0.58 + 1e-9)
    pale = {wardrobe.draw_scheme(np.random.default_rng(seed), "cream").accent for seed in range(60)}
    assert wardrobe.COLOURS["charcoal"] in pale, "charcoal on a pale one"
