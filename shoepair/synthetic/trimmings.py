"""Trimmings of an upper: where each one lies, and what it is made of.

A trimming covers a share, 0..1, of every point of the sheet: t along the shoe, 0 heel to 1 toe; k across, -1 inner
edge to 1 outer edge; side = |k|, 0 ridge to 1 bottom edge.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shoepair.synthetic.primitives import Floats, band, flat, smooth, tint
from shoepair.synthetic.wardrobe import Look


def _dots(x: Floats, soft: float) -> Floats:
    """A row of dots: 1 in the middle of every unit."""
    return band(x - np.floor(x), 0.3, 0.7, soft)


def stripes(t: Floats, k: Floats) -> Floats:
    """Three slanting stripes on either side."""
    side = np.abs(k)
    slant = t + 0.16 * side
    bars: Floats = band(slant, 0.50, 0.532) + band(slant, 0.57, 0.602) + band(slant, 0.64, 0.672)
    return bars * band(side, 0.42, 0.93)


def swoosh(t: Floats, k: Floats) -> Floats:
    """A bent band on either side."""
    side = np.abs(k)
    return band(side - (t - 0.38) * (t - 0.38) * 2.2, 0.60, 0.82) * band(t + 0.16 * side, 0.40, 0.80)


def patch(t: Floats, k: Floats) -> Floats:
    """A rectangle at the ankle."""
    return band(t, 0.28, 0.42) * band(np.abs(k), 0.62, 0.88)


def disc(t: Floats, k: Floats) -> Floats:
    """A round badge at the ankle."""
    u, v = (t - 0.36) / 0.075, (np.abs(k) - 0.76) / 0.15
    return smooth(1.0, 0.8, u * u + v * v)


def toecap(t: Floats, k: Floats) -> Floats:
    """The toe in another material."""
    return smooth(0.815, 0.825, t + 0.03 * np.abs(k))


def panel(t: Floats, k: Floats) -> Floats:
    """A strip round the bottom, highest at both ends."""
    return smooth(0.62, 0.64, np.abs(k) + 0.25 * np.abs(t - 0.55))


def counter(t: Floats, k: Floats) -> Floats:
    """The heel in another material."""
    return smooth(0.17, 0.16, t - 0.05 * np.abs(k))


def eyestay(t: Floats, k: Floats) -> Floats:
    """The strip that the laces go through."""
    return band(t, 0.40, 0.73) * band(np.abs(k), -0.1, 0.36)


def mesh(t: Floats, k: Floats) -> Floats:
    """Holes over the forefoot."""
    return _dots(t * 60, 0.15) * _dots(k * 22, 0.15) * band(t, 0.5, 0.95)


def seam(t: Floats, k: Floats) -> Floats:
    """Two rows of stitches behind the toe."""
    line = t + 0.04 * np.abs(k)
    return band(line, 0.78, 0.784, 0.003) + band(line, 0.80, 0.804, 0.003)


def brogue(t: Floats, k: Floats) -> Floats:
    """The seam and a row of punched holes."""
    return seam(t, k) + _dots(k * 14, 0.1) * band(t + 0.04 * np.abs(k), 0.84, 0.86)


def apron(t: Floats, k: Floats) -> Floats:
    """A ridge round the top of the forefoot, as moccasins have it."""
    return band(np.abs(k) + 0.9 * smooth(0.66, 0.95, t), 0.50, 0.54, 0.01) * smooth(0.5, 0.55, t)


def gore(t: Floats, k: Floats) -> Floats:
    """Ribbed elastic at the ankle."""
    return band(t, 0.22, 0.34) * smooth(0.95, 0.85, np.abs(k)) * (1 - 0.25 * _dots(t * 90, 0.2))


Cover = Callable[[Floats, Floats], Floats]
ACCENTS: dict[str, Cover] = {"stripes": stripes, "swoosh": swoosh, "patch": patch, "disc": disc}
SECONDS: dict[str, Cover] = {"toecap": toecap, "panel": panel, "counter": counter, "eyestay": eyestay}
SHADES: dict[str, Cover] = {"mesh": mesh, "seam": seam, "brogue": brogue, "apron": apron, "gore": gore}


def trim(look: Look, t: Floats, k: Floats, fabric: Floats) -> Floats:
    """Colours of the upper, (3, A, B), at t (A, 1) and k (1, B), on a material with this grain, (A, B) of 0..1.

    A trimming that no table names, such as "plain", is none.
    """
    colour: Floats = flat(look.colours.upper) * (1 + look.texture * (fabric - 0.5))
    for name in (*look.trims, look.form.closure):
        if name in ACCENTS:
            colour = tint(colour, look.colours.accent, ACCENTS[name](t, k))
        elif name in SECONDS:
            colour = tint(colour, look.colours.second, SECONDS[name](t, k))
        elif name in SHADES:
            colour = colour * (1 - 0.5 * SHADES[name](t, k))
    return colour
