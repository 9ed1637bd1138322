"""Shoes as patches of surface: outlines, soles, openings, and which parts a kind of shoe has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shoepair.synthetic import shoes, wardrobe
from shoepair.synthetic.wardrobe import FORMS, Form, Look

T = np.linspace(0, 1, 201)
SCHEME = wardrobe.draw_scheme(np.random.default_rng(1), "blue")
COLOUR = (0.2, 0.4, 0.6)


def look(kind: str) -> Look:
    return Look(kind, FORMS[kind], SCHEME, (0.1, 0.1, 0.1), ("plain", "plain"), 0.2, 0.1)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_outline_is_closed_at_both_ends_and_widest_at_the_ball(form: Form) -> None:
    inner, outer = shoes.outline(form, T)
    wide = outer - inner
    assert (wide >= 0).all()
    assert wide[[0, -1]] == pytest.approx([0, 0], abs=1e-6)
    assert 0.55 < T[wide.argmax()] < 0.75
    assert wide.max() == pytest.approx(2 * 0.18 * form.width, rel=0.02)
    assert (outer + inner)[-1] < 0, "a right shoe's toe points inwards"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_sole_is_as_thick_as_its_form_and_stands_on_the_floor(form: Form) -> None:
    low, top = shoes.base(form, T)
    assert (low >= -1e-9).all()
    assert low.min() == pytest.approx(0, abs=1e-9)
    assert top[0] == pytest.approx(form.sole + form.rise)
    ball = T.searchsorted(0.7)
    assert top[ball] - low[ball] == pytest.approx(form.sole)
    assert top[-1] == pytest.approx(form.sole + 0.015)
    heel = low[: T.searchsorted(0.26)]
    assert heel.max() == pytest.approx(form.rise if form.post else 0, abs=1e-9)


def test_opening_is_as_wide_as_its_form_and_closed_behind_its_end() -> None:
    form = FORMS["sneaker"]
    found = shoes.collar(form, np.array([0.0, 0.03, (0.03 + form.front) / 2, form.front, 0.9]))
    assert found.tolist() == pytest.approx([0, 0, form.opening, 0, 0])


@pytest.mark.parametrize("kind", ["oxford", "boot", "pump"])
def test_sheet_runs_from_edge_to_edge_over_the_ridge(kind: str) -> None:
    form = FORMS[kind]
    t = T[1:-1, None]
    inner, outer = shoes.outline(form, t)
    _, top = shoes.base(form, t)
    points = shoes.sheet(form, t, np.array([[-1.0, 0.0, 1.0]]))
    assert points.shape == (3, 199, 3)
    np.testing.assert_allclose(points[0], np.hstack([inner, (inner + outer) / 2, outer]), atol=1e-6)
    np.testing.assert_allclose(points[1], np.broadcast_to(t, (199, 3)))
    ridge = top + shoes.crest(form, t)
    np.testing.assert_allclose(points[2], np.hstack([top, ridge, top]), atol=1e-6)
    np.testing.assert_allclose(
        shoes.sheet(form, t, np.array([[0.3]]), 0.1)[2] - shoes.sheet(form, t, np.array([[0.3]]))[2], 0.1
    )


# Two walls and a bed; of an upper its outside and inside; five crossings of two laces, two loops and two ends.
@pytest.mark.parametrize(
    ("kind", "count"),
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
def test_kind_of_shoe_has_its_parts(kind: str, count: int) -> None:
    patches = shoes.build(look(kind), False, np.random.default_rng(1))
    assert len(patches) == count
    for patch in patches:
        assert np.isfinite(patch.points).all()
        shape = patch.points.shape[1:]
        assert np.broadcast_shapes(patch.colour.shape, (3, *shape)) == (3, *shape)
        assert patch.shown is None or patch.shown.shape == shape
    lowest = min(float(patch.points[2].min()) for patch in patches)
    assert lowest == pytest.approx(0, abs=0.002), "it does not stand on the floor"


def test_photo_changes_the_laces_and_the_grain_but_no_shape_of_the_shoe() -> None:
    one, other = (shoes.build(look("sneaker"), False, np.random.default_rng(seed)) for seed in (1, 2))
    moved = [not np.array_equal(a.points, b.points) for a, b in zip(one, other, strict=True)]
    assert moved == [False] * (3 + 2 + 1 + 10) + [True] * 4, "bows alone fall otherwise"
    grain = [not np.array_equal(a.colour, b.colour) for a, b in zip(one, other, strict=True)]
    assert grain == [number == 3 for number in range(20)], "the upper alone has a grain"


def test_inside_of_a_shoe_lies_below_its_rim_and_above_its_sole() -> None:
    form = FORMS["sneaker"]
    outside, inside = shoes.upper(look("sneaker"), np.random.default_rng(1))
    assert outside.shown is not None
    assert inside.shown is not None
    assert 0.1 < (~outside.shown).mean() < 0.2, "the opening"
    rows = inside.shown[:, 0]
    t = inside.points[1, :, 0]
    assert t[rows].min() >= 0.03
    assert t[rows].max() <= form.front
    _, top = shoes.base(form, t)
    assert (inside.points[2].min(1)[rows] >= top[rows] + 0.0119).all()
    assert (inside.points[2].max(1)[rows] <= (top + shoes.crest(form, t))[rows] + 1e-6).all()
    assert (inside.colour.max((1, 2)) <= np.array(SCHEME.lining) + 1e-6).all()


def test_lace_is_half_a_tube_about_its_path() -> None:
    s = np.linspace(0, 1, 30)
    path = np.stack([0.3 * s, 0.4 * s, 0.1 + 0 * s])
    found = shoes.strand(path, 0.01, COLOUR, 0.4)
    assert found.points.shape == (3, 30, 9)
    np.testing.assert_allclose(np.linalg.norm(found.points - path[:, :, None], axis=0), 0.01, rtol=1e-4)
    ahead = np.array([0.3, 0.4, 0.0]).reshape(3, 1, 1)
    np.testing.assert_allclose(((found.points - path[:, :, None]) * ahead).sum(0), 0, atol=1e-9)
    assert (found.points[2] >= 0.1 - 1e-9).all(), "the lower half lies in what is below"
    np.testing.assert_allclose(found.points[:, :, 4] - path, np.broadcast_to([[0], [0], [0.01]], (3, 30)), atol=1e-9)
    assert set(np.round(np.unique(found.colour[0]), 6)) == {0.18, 0.2}
    assert found.gloss == 0.4


def test_wider_form_is_wider_and_as_long() -> None:
    narrow = look("loafer")
    wide = replace(narrow, form=replace(narrow.form, width=1.2 * narrow.form.width))
    sizes = []
    for each in (narrow, wide):
        points = np.concatenate([patch.points.reshape(3, -1) for patch in shoes.sole(each)], axis=1)
        sizes.append(np.ptp(points, axis=1))
    assert sizes[1][0] > 1.15 * sizes[0][0]
    assert sizes[1][1:] == pytest.approx(sizes[0][1:])
