"""Trimmings: where on the upper each of them lies, and in which colour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shoepair.synthetic import trimmings
from shoepair.synthetic.primitives import Floats
from shoepair.synthetic.wardrobe import FORMS, Look, Scheme

COVERS = trimmings.ACCENTS | trimmings.SECONDS | trimmings.SHADES
T, K = np.linspace(0, 1, 401)[:, None], np.linspace(-1, 1, 301)[None]
UPPER, SECOND, ACCENT = (0.5, 0.25, 0.125), (0.9, 0.1, 0.1), (0.1, 0.9, 0.1)
LOOK = Look(
    kind="sneaker",
    form=replace(FORMS["sneaker"], closure="none"),
    colours=Scheme(UPPER, SECOND, ACCENT, (0.2, 0.2, 0.2)),
    sole=(0.1, 0.1, 0.1),
    trims=("plain", "plain"),
    gloss=0.0,
    texture=0.2,
)


@pytest.mark.parametrize("name", COVERS)
def test_share_is_between_none_and_all_and_some_of_the_upper_is_left(name: str) -> None:
    found = COVERS[name](T, K)
    assert found.shape == (401, 301)
    assert 0 <= found.min() < 0.01
    assert 0.7 < found.max() <= 1
    assert 0.001 < (found > 0.5).mean() < 0.5


@pytest.mark.parametrize("name", sorted(COVERS.keys() - {"mesh", "brogue"}))  # these count dots from the inner edge
def test_trimming_is_the_same_on_both_sides(name: str) -> None:
    np.testing.assert_allclose(COVERS[name](T, K), COVERS[name](T, -K), atol=1e-12)


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
def test_trimming_lies_at_its_place(name: str, on: tuple[float, float], off: tuple[float, float]) -> None:
    there, elsewhere = (COVERS[name](np.array([[t]]), np.array([[k]])).item() for t, k in (on, off))
    assert there > 0.7
    assert elsewhere < 0.05


def coloured(*trims: str, closure: str = "none", fabric: float = 0.5) -> Floats:
    look = replace(LOOK, trims=trims, form=replace(LOOK.form, closure=closure))
    return trimmings.trim(look, T, K, np.full((401, 301), fabric))


def test_plain_upper_has_its_colour_and_the_grain_of_its_fabric() -> None:
    for fabric, bright in ((0.5, 1.0), (1.0, 1.1), (0.0, 0.9)):
        found = coloured("plain", "unheard of", fabric=fabric)
        wanted = np.array(UPPER).reshape(3, 1, 1) * bright
        np.testing.assert_allclose(found, np.broadcast_to(wanted, (3, 401, 301)), rtol=1e-6)


@pytest.mark.parametrize("name", COVERS)
def test_each_trimming_is_painted_in_the_colour_of_its_table_or_shades(name: str) -> None:
    share, base = COVERS[name](T, K), np.array(UPPER).reshape(3, 1, 1)
    if name in trimmings.SHADES:
        wanted = base * (1 - 0.5 * share)
    else:
        paint = np.array(ACCENT if name in trimmings.ACCENTS else SECOND).reshape(3, 1, 1)
        wanted = base + (paint - base) * share
    np.testing.assert_allclose(coloured(name), wanted, atol=1e-6)


def test_second_trimming_lies_over_the_first_and_the_closure_over_both() -> None:
    both = coloured("panel", "counter")
    assert np.allclose(both[:, 20, -1], SECOND)
    over = coloured("swoosh", "panel")
    assert np.allclose(over[:, 180, 150 + 115], SECOND)
    under = coloured("panel", "swoosh")
    assert np.allclose(under[:, 180, 150 + 115], ACCENT)
    np.testing.assert_allclose(coloured("plain", closure="gore"), coloured("gore"), atol=1e-12)
