"""Shoes of the drawn class: a look becomes patches of surface.

Coordinates of a right shoe in shoe lengths: x to the outer side, y = t from the heel (0) to the toe (1), z up; a left
shoe is its mirror image, x negated. The upper is a bent sheet over t (along) and k (across): k = -1 is the inner
bottom edge, 0 the ridge, 1 the outer bottom edge, and |k| below the collar's half width is the inside of the shoe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from shoepair.synthetic.primitives import Colour, Floats, band, centres, curve, flat, mottle, smooth, tint, unit
from shoepair.synthetic.rendering import Patch
from shoepair.synthetic.trimmings import trim
from shoepair.synthetic.wardrobe import SPORTS, Form, Look

ALONG, ACROSS = 300, 200  # grid of the upper: about one point per pixel of the depth buffer


def outline(form: Form, t: Floats) -> tuple[Floats, Floats]:
    """Inner and outer edge of the foot at t, without the welt: x."""
    half = curve(((0, 0.125), (0.14, 0.13), (0.38, 0.125), (0.66, 0.18), (0.8, 0.172), (1, 0.15)), t) * form.width
    heel = np.clip(1 - t / 0.13, 0, 1)
    toe = np.clip((t - 0.72 + 0.14 * form.point) / (0.28 + 0.14 * form.point), 0, 1)
    round_toe, pointed = np.sqrt(np.maximum(1 - toe * toe * toe, 0)), 1 - toe * toe
    half = half * np.sqrt(np.maximum(1 - heel * heel, 0)) * (round_toe + (pointed - round_toe) * form.point)
    middle = curve(((0, 0.0), (0.3, 0.004), (0.62, 0.012), (1, -0.045 * (1 - 0.6 * form.point))), t)
    return middle - half, middle + half


def base(form: Form, t: Floats) -> tuple[Floats, Floats]:
    """Lower and upper side of the sole at t: z."""
    lift = form.rise * smooth(0.62, 0.22, t)
    top = form.sole + lift + 0.015 * smooth(0.8, 1.0, t)
    under = top - form.sole
    heel = smooth(0.30, 0.27, t) * (0.0 if form.post else 1.0)
    return under * (1 - heel), top


def crest(form: Form, t: Floats) -> Floats:
    """Height of the ridge above the sole, going down round the toe."""
    toe = np.clip((t - 0.86) / 0.14, 0, 1)
    heel = 1 - 0.25 * smooth(0.08, 0.0, t)
    return np.asarray(curve(form.height, t) * heel * (0.25 + 0.75 * np.sqrt(np.maximum(1 - toe * toe, 0))))


def collar(form: Form, t: Floats) -> Floats:
    """Half width of the opening at t, in k; 0 where the upper is closed."""
    start = 0.03
    s = np.clip((t - start) / (form.front - start), 0, 1)
    return np.asarray(form.opening * np.sqrt(np.sqrt(np.maximum(4 * s * (1 - s), 0))))


def sheet(form: Form, t: Floats, k: Floats, lift: float = 0.0) -> Floats:
    """Points of the closed upper: (3, ...), raised by `lift` along the plumb line."""
    inner, outer = outline(form, t)
    _, top = base(form, t)
    cos, sin = unit(k)
    arch = 0.55 * np.sqrt(cos) + 0.45 * cos
    x = (inner + outer) / 2 + (outer - inner) / 2 * sin
    return np.stack([x, t + 0 * k, top + crest(form, t) * arch + lift])


def _grid(along: int, across: int) -> tuple[Floats, Floats]:
    """Grid of an upper, (A, 1) t and (1, B) k, both ascending; closer at the ends, where the surface is steep."""
    s = np.arange(along, dtype=np.float32) / (along - 1)
    t = s * s * (3 - 2 * s)
    k = np.arange(across, dtype=np.float32) * 2 / (across - 1) - 1
    return (0.1 * s + 0.9 * t)[:, None], (1.3 * k - 0.3 * k * k * k)[None, :]


def upper(look: Look, rng: np.random.Generator) -> Iterator[Patch]:
    """The bent sheet with its opening, seen from outside and inside."""
    form = look.form
    t, k = _grid(ALONG + (140 if form.tall > 0.55 else 0), ACROSS)
    hole = collar(form, t)
    points = sheet(form, t, k)
    colour = trim(look, t, k, mottle(rng, t * 160 + 0 * k, k * 90 + 0 * t))
    rim = np.abs(k) - hole
    colour = colour * (1 - 0.35 * band(rim, 0.035, 0.05, 0.01) * (hole > 0.1))
    yield Patch(points, colour, look.gloss, rim >= 0)

    k = 1.5 * k - 0.5 * k * k * k  # the inside: from rim to rim, falling to the insole; closer where it is steep
    inside = sheet(form, t, k * hole)
    floor = base(form, t)[1] + 0.012
    share = np.sqrt(np.maximum(1 - k * k, 0))
    share = 1 - (1 - share) * (1 - share)
    wide = sheet(form, t, k * (2 - np.abs(k)) * np.maximum(hole, 0.4))[0]
    inside[0] = inside[0] + (wide - inside[0]) * share * 0.6
    inside[2] = inside[2] + (floor - inside[2]) * share
    dark = 1 - 0.62 * share * np.clip(crest(form, t) / 0.3, 0.25, 1.1)
    lining = flat(look.colours.lining) * dark
    yield Patch(inside, lining, 0.0, np.broadcast_to(hole > 0.02, inside.shape[1:]))


def sole(look: Look) -> Iterator[Patch]:
    """Side wall, upper side (an open shoe's footbed), and a thin heel."""
    form, rubber = look.form, flat(look.sole)
    t, _ = _grid(ALONG, 2)
    inner, outer = outline(form, t)
    low, top = base(form, t)
    y = t + 2 * form.welt * (t - 0.5)
    welt = form.welt * smooth(0.0, 0.06, outer - inner)  # none at the tips, where both walls meet
    h = centres(50)[None, :]
    groove = 1 - 0.25 * (h < 0.3) * (1 - band(t * 45 - np.floor(t * 45), 0.25, 0.75, 0.2))
    line, paint = (0.30, look.colours.second) if look.kind in SPORTS else (0.75, look.colours.upper)
    wall = tint(rubber * groove, paint, 0.5 * band(h, line, line + 0.13, 0.05))
    for edge, out in ((inner, -1.0), (outer, 1.0)):
        yield Patch(np.stack([edge + out * welt * (1 - h * 0.3), y + 0 * h, low + (top - low) * h]), wall, 0.1)
    s = (np.arange(120, dtype=np.float32) / 119)[None, :]
    x = inner - welt + (outer - inner + 2 * welt) * s
    bed = flat(look.colours.lining) * (0.4 if form.front else 1.0)
    within = np.minimum(x - inner, outer - x) - (0.0 if form.front else 0.015)
    surface = tint(bed + 0 * x, look.sole, 0.9 * smooth(0.006, 0.0, within))
    yield Patch(np.stack([x, y + 0 * s, top + 0 * s]), surface, 0.05)
    if form.post:
        yield heel(look)


def heel(look: Look) -> Patch:
    """A thin heel, narrowing towards the floor."""
    a, h = _grid(80, 2)[0] * 4 - 2, centres(100)[None, :]
    k = np.where(np.abs(a) <= 1, a, np.sign(a) * (2 - np.abs(a)))  # twice the half circle
    cos, sin = unit(k)
    cos = np.where(np.abs(a) <= 1, cos, -cos)
    radius = 0.022 + 0.05 * h * h * h
    points = np.stack([sin * radius, 0.085 + cos * radius - 0.03 * (1 - h), (look.form.rise + 0.01) * h + 0 * a])
    return Patch(points, flat(look.colours.upper) + 0 * points, look.gloss)


def strand(path: Floats, radius: float, colour: Colour, gloss: float = 0.0) -> Patch:
    """A lace: a tube's upper half along a path (3, N), lying on what is below."""
    k = (np.arange(9) / 4 - 1)[None, :]
    cos, sin = unit(k)
    wide = np.pad(path[:2], ((0, 0), (1, 1)), mode="edge")  # so that the ends too have neighbours
    dx, dy = wide[:, 2:] - wide[:, :-2]
    length = np.sqrt(dx * dx + dy * dy) + 1e-9
    x = path[0][:, None] + radius * sin * (-dy / length)[:, None]
    y = path[1][:, None] + radius * sin * (dx / length)[:, None]
    z = path[2][:, None] + radius * cos
    weave = 0.9 + 0.1 * (np.arange(path.shape[1]) % 6 < 3)[:, None] + 0 * k
    return Patch(np.stack([x, y, z]), flat(colour) * weave, gloss)


def laces(look: Look, rng: np.random.Generator) -> Iterator[Patch]:
    """Crossed laces over a tongue, and a bow that falls differently in every photo."""
    form = look.form
    s = np.arange(90) / 89
    for row in range(5):
        start = form.front + 0.01 + row * 0.052
        for side in (-1.0, 1.0):
            path = sheet(form, start + 0.05 * s, side * (0.30 - 0.6 * s) * (1 - 0.05 * row), 0.004)
            yield strand(path, 0.010, look.colours.accent)
    knot = sheet(form, np.array([form.front + 0.015]), np.array([0.0]), 0.015)[:, 0]
    for side in (-1.0, 1.0):
        out, fall, ahead = 0.13 + 0.08 * rng.random(), 0.05 + 0.09 * rng.random(), 0.12 * (rng.random() - 0.3)
        bend = 4 * s * (1 - s)
        y, z = knot[1] + ahead * bend + 0.07 * (2 * s - 1) * bend, knot[2] + 0.02 * bend - fall * bend * bend
        yield strand(np.stack([knot[0] + side * out * bend, y, z]), 0.009, look.colours.accent)
        long, swing = 0.12 + 0.10 * rng.random(), 0.16 * (rng.random() - 0.2)
        end = np.stack([knot[0] + side * long * s, knot[1] + swing * s, knot[2] - 0.16 * s * s + 0.02 * s])
        yield strand(end, 0.008, look.colours.accent)


def tongue(look: Look) -> Patch:
    """The tongue behind the laces, standing a little out of the opening."""
    form = look.form
    s, k = centres(90)[:, None], (np.arange(70) * 2 / 69 - 1)[None, :]
    root = sheet(form, np.array([[form.front + 0.02]]), 0.42 * k)
    away = np.stack([0 * s * k, -0.10 * s + 0 * k, 0.075 * s - 0.05 * s * k * k])
    points = root + away
    if look.kind == "oxford":
        return Patch(points, flat(look.colours.upper) + 0 * points)
    label = band(s, 0.55, 0.85) * band(np.abs(k), -0.1, 0.35)
    return Patch(points, tint(flat(look.colours.second) + 0 * points, look.colours.accent, label))


def bands(look: Look) -> Iterator[Patch]:
    """Straps across the foot: of an open shoe, a loafer or a shoe with a strap."""
    form = look.form
    ranges = form.straps or (((0.50, 0.60),) if form.closure == "penny" else ((0.38, 0.45),))
    _, k = _grid(2, ACROSS)
    for start, end in ranges:
        s = centres(70)[:, None]
        t = start + (end - start) * s
        points = sheet(form, t, k, 0.006)
        if form.straps:
            points[2] = points[2] + 0.02 * (1 - k * k)
        colour = flat(look.colours.upper) + 0 * points
        colour = colour * (1 - 0.4 * band(np.minimum(s, 1 - s), 0.10, 0.16, 0.02))
        buckle = band(np.abs(k - 0.45), -0.1, 0.09) * band(s, 0.12, 0.88)
        trimmed = tint(colour, look.colours.accent, buckle if form.closure != "penny" else band(np.abs(k), -0.1, 0.12))
        yield Patch(points, trimmed, look.gloss)


def ribbon(look: Look) -> Iterator[Patch]:
    """A small bow at the front of the opening."""
    s = np.arange(60) / 59
    knot = sheet(look.form, np.array([look.form.front + 0.03]), np.array([0.0]), 0.012)[:, 0]
    for side in (-1.0, 1.0):
        for ahead in (-0.03, 0.03):
            path = np.stack([knot[0] + side * 0.075 * s, knot[1] + ahead * s, knot[2] - 0.02 * s * s])
            yield strand(path, 0.013, look.colours.accent, 0.2)


def build(look: Look, left: bool, rng: np.random.Generator) -> list[Patch]:
    """All patches of one shoe; the photo's own `rng` draws grain and how the laces fall, nothing that tells a pair."""
    patches = list(sole(look))
    closure = look.form.closure
    if look.form.front:
        patches += upper(look, rng)
    if closure == "laces":
        patches += [tongue(look), *laces(look, rng)]
    elif look.form.straps or closure in ("penny", "strap"):
        patches += bands(look)
    elif closure == "bow":
        patches += ribbon(look)
    if not left:
        return patches
    mirror = np.array([-1, 1, 1], dtype=np.float32).reshape(3, 1, 1)
    return [replace(patch, points=patch.points * mirror) for patch in patches]
