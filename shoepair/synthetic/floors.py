"""Floors of the drawn class: wood, tile, carpet and plain textures, one per student.

A floor is a (3, T, T) texture, T = `primitives.TEXTURE`, one texel per photo pixel. Its grid of planks or tiles lies
in texel coordinates u, v that are turned by the student's own angle.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shoepair.synthetic.primitives import TEXTURE, Colour, Floats, band, flat, mottle, pick, smooth, unit

WOODS: tuple[Colour, ...] = (
    (0.62, 0.42, 0.25),
    (0.74, 0.55, 0.35),
    (0.42, 0.27, 0.17),
    (0.80, 0.68, 0.50),
    (0.55, 0.30, 0.18),
    (0.60, 0.54, 0.47),
    (0.72, 0.68, 0.62),
)
TILES: tuple[Colour, ...] = (
    (0.80, 0.76, 0.70),
    (0.70, 0.56, 0.42),
    (0.58, 0.56, 0.54),
    (0.86, 0.85, 0.83),
    (0.62, 0.42, 0.32),
    (0.44, 0.47, 0.49),
)
CARPETS: tuple[Colour, ...] = (
    (0.62, 0.57, 0.50),
    (0.46, 0.48, 0.54),
    (0.55, 0.24, 0.22),
    (0.72, 0.67, 0.58),
    (0.33, 0.42, 0.40),
    (0.50, 0.42, 0.52),
)
PLAINS: tuple[Colour, ...] = (
    (0.66, 0.65, 0.63),
    (0.78, 0.74, 0.68),
    (0.56, 0.60, 0.62),
    (0.72, 0.66, 0.55),
    (0.85, 0.83, 0.80),
)


def _own(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Floats:
    """One of the colours, slightly changed: (3, 1, 1)."""
    base = np.array(pick(rng, colours))
    own = (base + (rng.random(3) - 0.5) * 0.05) * (0.92 + 0.16 * rng.random())
    return own.astype(np.float32).reshape(3, 1, 1)


def _table(rng: np.random.Generator, i: Floats, j: Floats) -> Floats:
    """A random number 0..1 for every cell (i, j) of a grid."""
    return np.asarray(rng.random((64, 64), dtype=np.float32)[i.astype(np.int64) & 63, j.astype(np.int64) & 63])


def wood(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Planks along u with grain, each of its own tone, and dark joints."""
    width, length = 26 + 22 * rng.random(), 170 + 120 * rng.random()
    row = np.floor(v / width)
    along = u / length + 7 * _table(rng, row, row * 0)
    column = np.floor(along)
    tone = _table(rng, row, column)
    fibre = mottle(rng, u / 42 + 13 * tone, v / 1.7) * 0.6 + mottle(rng, u / 90 + 29 * tone, v / 5) * 0.8
    edge = np.minimum(v - row * width, (row + 1) * width - v)
    end = np.minimum(along - column, column + 1 - along) * length
    joint = smooth(1.3, 0.3, np.minimum(edge, end))
    bright = 0.80 + 0.20 * tone + 0.17 * (fibre - 0.7)
    return _own(rng, WOODS) * (bright * (1 - 0.45 * joint))


def tile(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Square tiles, clouded, each of its own tone, with grout between them."""
    size, joint = 70 + 60 * rng.random(), 1.2 + 1.6 * rng.random()
    i, j = np.floor(u / size), np.floor(v / size)
    edge = np.minimum.reduce([u - i * size, (i + 1) * size - u, v - j * size, (j + 1) * size - v])
    cloud = mottle(rng, u / 23, v / 23) * 0.6 + mottle(rng, u / 7, v / 7) * 0.4
    face = _own(rng, TILES) * (0.88 + 0.07 * _table(rng, i, j) + (0.06 + 0.2 * rng.random()) * (cloud - 0.5))
    grout = (0.45 + 0.45 * rng.random()) * (0.95 + 0.1 * mottle(rng, u / 2, v / 2))
    between = smooth(joint + 0.6, joint - 0.6, edge)
    return face + (grout * flat((0.9, 0.87, 0.82)) - face) * between


def carpet(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Fine loops in rows, with worn patches."""
    pitch = 3 + 3 * rng.random()
    loops = mottle(rng, u / 1.5, v / 1.5)
    s = u / pitch - np.floor(u / pitch)
    row = 4 * s * (1 - s)
    worn = mottle(rng, u / 50, v / 50)
    return np.asarray(_own(rng, CARPETS) * (0.66 + 0.26 * loops + 0.12 * row + 0.14 * worn))


def plain(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Concrete or linoleum: nearly one colour, with specks."""
    cloud = mottle(rng, u / 60, v / 60) * 0.6 + mottle(rng, u / 14, v / 14) * 0.4
    speck = band(mottle(rng, u / 2.2, v / 2.2), 0.82, 1.1, 0.05)
    return _own(rng, PLAINS) * (0.9 + 0.14 * cloud - (0.02 + 0.12 * rng.random()) * speck)


FLOORS: tuple[Callable[[np.random.Generator, Floats, Floats], Floats], ...] = (wood, wood, tile, carpet, plain)


def draw_floor(rng: np.random.Generator) -> Floats:
    """A floor texture: (3, T, T), 0..1."""
    paint = pick(rng, FLOORS)
    cos, sin = unit(2 * rng.random() - 1)
    x = np.arange(TEXTURE, dtype=np.float32)
    y = x[:, None]
    return paint(rng, 1000 + x * cos - y * sin, 1000 + x * sin + y * cos)
