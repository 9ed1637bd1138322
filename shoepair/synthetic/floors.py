"""Floors of synthetic photos: wood, tile, carpet and plain textures, one per student.

A floor is a (3, T, T) texture, T = `primitives.TEXTURE_EDGE`, one texel per photo pixel. Its grid of planks or tiles
lies in texel coordinates u, v, rotated by an angle per student.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shoepair.synthetic.primitives import (
    TEXTURE_EDGE,
    Colour,
    Floats,
    colour_array,
    cos_sin_of_half_tangent,
    pick_item,
    smooth_band,
    smoothstep,
    value_noise,
)

WOOD_COLOURS: tuple[Colour, ...] = (
    (0.62, 0.42, 0.25),
    (0.74, 0.55, 0.35),
    (0.42, 0.27, 0.17),
    (0.80, 0.68, 0.50),
    (0.55, 0.30, 0.18),
    (0.60, 0.54, 0.47),
    (0.72, 0.68, 0.62),
)
TILE_COLOURS: tuple[Colour, ...] = (
    (0.80, 0.76, 0.70),
    (0.70, 0.56, 0.42),
    (0.58, 0.56, 0.54),
    (0.86, 0.85, 0.83),
    (0.62, 0.42, 0.32),
    (0.44, 0.47, 0.49),
)
CARPET_COLOURS: tuple[Colour, ...] = (
    (0.62, 0.57, 0.50),
    (0.46, 0.48, 0.54),
    (0.55, 0.24, 0.22),
    (0.72, 0.67, 0.58),
    (0.33, 0.42, 0.40),
    (0.50, 0.42, 0.52),
)
PLAIN_COLOURS: tuple[Colour, ...] = (
    (0.66, 0.65, 0.63),
    (0.78, 0.74, 0.68),
    (0.56, 0.60, 0.62),
    (0.72, 0.66, 0.55),
    (0.85, 0.83, 0.80),
)


def _draw_colour(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Floats:
    """Return one of the colours, slightly varied: (3, 1, 1)."""
    base = np.array(pick_item(rng, colours))
    varied = (base + (rng.random(3) - 0.5) * 0.05) * (0.92 + 0.16 * rng.random())
    return varied.astype(np.float32).reshape(3, 1, 1)


def _random_per_cell(rng: np.random.Generator, i: Floats, j: Floats) -> Floats:
    """Return a random number 0..1 for every cell (i, j) of a grid, repeated after 64 cells."""
    return np.asarray(rng.random((64, 64), dtype=np.float32)[i.astype(np.int64) & 63, j.astype(np.int64) & 63])


def draw_wood_texture(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Draw a wooden floor texture at texel coordinates u, v: planks along u with grain and dark joints."""
    width, length = 26 + 22 * rng.random(), 170 + 120 * rng.random()
    row = np.floor(v / width)
    along = u / length + 7 * _random_per_cell(rng, row, row * 0)
    column = np.floor(along)
    tone = _random_per_cell(rng, row, column)
    fibre = value_noise(rng, u / 42 + 13 * tone, v / 1.7) * 0.6 + value_noise(rng, u / 90 + 29 * tone, v / 5) * 0.8
    edge = np.minimum(v - row * width, (row + 1) * width - v)
    end = np.minimum(along - column, column + 1 - along) * length
    joint = smoothstep(1.3, 0.3, np.minimum(edge, end))
    bright = 0.80 + 0.20 * tone + 0.17 * (fibre - 0.7)
    return _draw_colour(rng, WOOD_COLOURS) * (bright * (1 - 0.45 * joint))


def draw_tile_texture(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Draw a tiled floor texture at texel coordinates u, v: square tiles with grout between them."""
    size, joint = 70 + 60 * rng.random(), 1.2 + 1.6 * rng.random()
    i, j = np.floor(u / size), np.floor(v / size)
    edge = np.minimum.reduce([u - i * size, (i + 1) * size - u, v - j * size, (j + 1) * size - v])
    cloud = value_noise(rng, u / 23, v / 23) * 0.6 + value_noise(rng, u / 7, v / 7) * 0.4
    colour = _draw_colour(rng, TILE_COLOURS)
    face = colour * (0.88 + 0.07 * _random_per_cell(rng, i, j) + (0.06 + 0.2 * rng.random()) * (cloud - 0.5))
    grout = (0.45 + 0.45 * rng.random()) * (0.95 + 0.1 * value_noise(rng, u / 2, v / 2))
    between = smoothstep(joint + 0.6, joint - 0.6, edge)
    return face + (grout * colour_array((0.9, 0.87, 0.82)) - face) * between


def draw_carpet_texture(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Draw a carpet texture at texel coordinates u, v: rows of fine loops with worn patches."""
    pitch = 3 + 3 * rng.random()
    loops = value_noise(rng, u / 1.5, v / 1.5)
    s = u / pitch - np.floor(u / pitch)
    row = 4 * s * (1 - s)
    worn = value_noise(rng, u / 50, v / 50)
    return np.asarray(_draw_colour(rng, CARPET_COLOURS) * (0.66 + 0.26 * loops + 0.12 * row + 0.14 * worn))


def draw_plain_texture(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Draw a concrete or linoleum texture at texel coordinates u, v: nearly one colour, with specks."""
    cloud = value_noise(rng, u / 60, v / 60) * 0.6 + value_noise(rng, u / 14, v / 14) * 0.4
    speck = smooth_band(value_noise(rng, u / 2.2, v / 2.2), 0.82, 1.1, 0.05)
    return _draw_colour(rng, PLAIN_COLOURS) * (0.9 + 0.14 * cloud - (0.02 + 0.12 * rng.random()) * speck)


TEXTURE_FUNCTIONS: tuple[Callable[[np.random.Generator, Floats, Floats], Floats], ...] = (
    draw_wood_texture,
    draw_wood_texture,
    draw_tile_texture,
    draw_carpet_texture,
    draw_plain_texture,
)


def draw_random_floor_image(rng: np.random.Generator) -> Floats:
    """Draw a random floor texture: (3, T, T), 0..1."""
    draw_texture = pick_item(rng, TEXTURE_FUNCTIONS)
    cos, sin = cos_sin_of_half_tangent(2 * rng.random() - 1)
    x = np.arange(TEXTURE_EDGE, dtype=np.float32)
    y = x[:, None]
    return draw_texture(rng, 1000 + x * cos - y * sin, 1000 + x * sin + y * cos)
