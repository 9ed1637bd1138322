"""Primitives of synthetic photos: curves, colours, noise and blur, the same on every machine.

Results do not depend on the processor: arrays use only + - * /, square root and integers (all exactly rounded in IEEE
754), directions are rational points of the circle instead of sine and cosine, and no float is summed by a reduction.
So the same seed gives the same bytes.

Letters: E edge of a photo, T edge of a floor texture. Colours are 0..1, red, green, blue first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 nearly everywhere: half the memory of float64
Mask = NDArray[np.bool_]
Colour = tuple[float, float, float]
Half = TypeVar("Half", float, Floats)
Item = TypeVar("Item")

PHOTO_EDGE = 224
TEXTURE_EDGE = 480  # pixels: room for the rotated, tilted and shifted view of a photo


def cos_sin_of_half_tangent(half_tangent: Half) -> tuple[Half, Half]:
    """Return cosine and sine of the angle 2 atan(k), about 2 k radians (rational parametrisation of a circle)."""
    square = half_tangent * half_tangent
    return (1 - square) / (1 + square), 2 * half_tangent / (1 + square)


def pick_item(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """Return a random item."""
    return items[int(rng.integers(len(items)))]


def bin_centres(count: int) -> Floats:
    """Return the centres of `count` equal bins of 0..1: (count,)."""
    return (np.arange(count, dtype=np.float32) + 0.5) / count


def smoothstep(start: float, end: float, x: Floats) -> Floats:
    """Return 0 below `start`, 1 above `end`, 3 s^2 - 2 s^3 between; falling if `end` is below `start`."""
    s = np.clip((x - start) / (end - start), 0.0, 1.0)
    return np.asarray(s * s * (3 - 2 * s))


def smooth_band(x: Floats, start: float, end: float, softness: float = 0.006) -> Floats:
    """Return 1 between `start` and `end` and 0 outside, with smoothstep edges of half width `softness`."""
    return smoothstep(start - softness, start + softness, x) * smoothstep(end + softness, end - softness, x)


def interpolate_curve(knots: Sequence[tuple[float, float]], x: Floats) -> Floats:
    """Interpolate knots (x ascending) by a cubic Hermite curve with the neighbours' slopes; return its value at x."""
    knot_x, value = np.array(knots, dtype=np.float32).T
    slope = np.zeros_like(knot_x)
    slope[1:-1] = (value[2:] - value[:-2]) / (knot_x[2:] - knot_x[:-2])
    i = np.clip(np.searchsorted(knot_x, x, side="right") - 1, 0, len(knot_x) - 2)
    width = knot_x[i + 1] - knot_x[i]
    s = np.clip((x - knot_x[i]) / width, 0.0, 1.0)
    rest = 1 - s
    ends = value[i] * rest * rest * (1 + 2 * s) + value[i + 1] * s * s * (1 + 2 * rest)
    return np.asarray(ends + s * rest * width * (slope[i] * rest - slope[i + 1] * s))


def colour_array(colour: Colour) -> Floats:
    """Return a colour as an array (3, 1, 1) that broadcasts over an image."""
    return np.array(colour, dtype=np.float32).reshape(3, 1, 1)


def blend_colour(colours: Floats, colour: Colour, opacity: Floats | float) -> Floats:
    """Blend a colour over (3, A, B) colours: opacity 0 keeps them, 1 replaces them."""
    return colours + (colour_array(colour) - colours) * opacity


def value_noise(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Return value noise at (u, v), 0..1: random values on a 64 x 64 lattice, repeated and smoothly interpolated."""
    table = rng.random((64, 64), dtype=np.float32)
    ui, vi = np.floor(u), np.floor(v)
    s, t = smoothstep(0, 1, u - ui), smoothstep(0, 1, v - vi)
    i, j = ui.astype(np.int64) & 63, vi.astype(np.int64) & 63
    k, m = (i + 1) & 63, (j + 1) & 63
    upper = table[i, j] + (table[k, j] - table[i, j]) * s
    lower = table[i, m] + (table[k, m] - table[i, m]) * s
    return np.asarray(upper + (lower - upper) * t)


def downsample_by_two(image: Floats) -> Floats:
    """Downsample by 2 x 2 averaging: (..., 2 E, 2 E) to (..., E, E)."""
    rows = image[..., ::2, :] + image[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def blur_mask(mask: Mask, radius: int) -> Floats:
    """Blur a mask with three integer box filters: (E, E) to (E, E), 0..1."""
    width, total = 2 * radius + 1, mask.astype(np.int64)  # sums of up to width^6
    for _ in range(3):
        for _ in range(2):  # along the rows, then along the columns
            sums = np.cumsum(np.pad(total, ((radius + 1, radius), (0, 0)), "edge"), axis=0)
            total = (sums[width:] - sums[:-width]).T
    return total.astype(np.float32) / width**6


def draw_camera_noise(rng: np.random.Generator, strength: float) -> Floats:
    """Draw camera noise in bytes: (3, E, E), approximately normal, from sums of uniform integers."""
    rolls = rng.integers(0, 256, (4, 3, PHOTO_EDGE, PHOTO_EDGE), dtype=np.uint8) >> 4
    total = rolls[0] + rolls[1] + rolls[2] + rolls[3]  # 0..60, mean 30, standard deviation 9.2
    return np.asarray((total.astype(np.float32) - 30) * (strength / 9.2))
