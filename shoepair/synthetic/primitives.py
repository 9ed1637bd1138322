"""Picture primitives of the drawn class: curves, colours, noise and blur, the same on every machine.

Nothing here rounds differently from one processor to the next: arrays only meet + - * /, square root and integers (all
exact in IEEE 754), directions come from rational points of the circle instead of sine and cosine, and no float is
summed by a reduction. So the same seed gives the same bytes.

Letters: E edge of a photo, T edge of a floor texture. Colours are 0..1, red, green, blue first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

Floats = NDArray[np.floating[Any]]  # float32 nearly everywhere: half the memory to move, and as exact
Mask = NDArray[np.bool_]
Colour = tuple[float, float, float]
Half = TypeVar("Half", float, Floats)
Item = TypeVar("Item")

EDGE = 224
TEXTURE = 480  # edge of a floor texture: room for the turned, tilted and shifted view of a photo


def unit(k: Half) -> tuple[Half, Half]:
    """Cosine and sine of the angle 2 atan(k), about 2 k radians: the rational parametrisation of the circle."""
    return (1 - k * k) / (1 + k * k), 2 * k / (1 + k * k)


def pick(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of the items."""
    return items[int(rng.integers(len(items)))]


def centres(count: int) -> Floats:
    """(count,) the middles of as many equal parts of 0..1."""
    return (np.arange(count, dtype=np.float32) + 0.5) / count


def smooth(start: float, end: float, x: Floats) -> Floats:
    """0 below `start`, 1 above `end`, smooth between (3 s^2 - 2 s^3); falling where `end` is below `start`."""
    s = np.clip((x - start) / (end - start), 0.0, 1.0)
    return np.asarray(s * s * (3 - 2 * s))


def band(x: Floats, start: float, end: float, soft: float = 0.006) -> Floats:
    """1 from `start` to `end`, 0 outside, with soft edges."""
    return smooth(start - soft, start + soft, x) * smooth(end + soft, end - soft, x)


def curve(knots: Sequence[tuple[float, float]], x: Floats) -> Floats:
    """A smooth curve through the knots (x ascending): cubic Hermite pieces with the neighbours' slope."""
    at, value = np.array(knots, dtype=np.float32).T
    slope = np.zeros_like(at)
    slope[1:-1] = (value[2:] - value[:-2]) / (at[2:] - at[:-2])
    i = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2)
    width = at[i + 1] - at[i]
    s = np.clip((x - at[i]) / width, 0.0, 1.0)
    rest = 1 - s
    ends = value[i] * rest * rest * (1 + 2 * s) + value[i + 1] * s * s * (1 + 2 * rest)
    return np.asarray(ends + s * rest * width * (slope[i] * rest - slope[i + 1] * s))


def flat(colour: Colour) -> Floats:
    """A colour as (3, 1, 1), to paint a patch with."""
    return np.array(colour, dtype=np.float32).reshape(3, 1, 1)


def tint(base: Floats, colour: Colour, share: Floats | float) -> Floats:
    """Paint over (3, A, B) colours: `share` 0 leaves them, 1 covers them."""
    return base + (flat(colour) - base) * share


def mottle(rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
    """Value noise, 0..1: random numbers on the integer points of the plane, smoothly interpolated."""
    table = rng.random((64, 64), dtype=np.float32)
    ui, vi = np.floor(u), np.floor(v)
    s, t = smooth(0, 1, u - ui), smooth(0, 1, v - vi)
    i, j = ui.astype(np.int64) & 63, vi.astype(np.int64) & 63
    k, m = (i + 1) & 63, (j + 1) & 63
    upper = table[i, j] + (table[k, j] - table[i, j]) * s
    lower = table[i, m] + (table[k, m] - table[i, m]) * s
    return np.asarray(upper + (lower - upper) * t)


def halve(fine: Floats) -> Floats:
    """Mean of 2 x 2 neighbours: (..., 2 E, 2 E) to (..., E, E)."""
    rows = fine[..., ::2, :] + fine[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def blur(mask: Mask, radius: int) -> Floats:
    """Three box blurs of a mask, in integers: (E, E) to (E, E), 0..1."""
    width, total = 2 * radius + 1, mask.astype(np.int32)
    for axis in (0, 1) * 3:
        total = correlate1d(total, np.ones(width), axis, mode="nearest")  # sums in float64, exact below 2^53
    return total.astype(np.float32) / width**6


def grain(rng: np.random.Generator, strength: float) -> Floats:
    """Camera noise: (3, E, E) in bytes. Sums of uniform integers: no normal distribution has to be computed."""
    rolls = rng.integers(0, 256, (4, 3, EDGE, EDGE), dtype=np.uint8) >> 4
    total = rolls[0] + rolls[1] + rolls[2] + rolls[3]  # 0..60, mean 30, standard deviation 9.2
    return np.asarray((total.astype(np.float32) - 30) * (strength / 9.2))
