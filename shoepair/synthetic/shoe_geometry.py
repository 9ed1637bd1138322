"""Geometry of synthetic shoes: the surface patches of a look.

Coordinates of a right shoe in shoe lengths: x to the outer side, y = t from the heel (0) to the toe (1), z up; a left
shoe is its mirror image, x negated. The upper is a curved surface over t (along) and k (across): k = -1 is the inner
bottom edge, 0 the ridge, 1 the outer bottom edge, and |k| below the opening's half width is the inside of the shoe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from shoepair.synthetic.decorations import upper_colours
from shoepair.synthetic.primitives import (
    Colour,
    Floats,
    bin_centres,
    blend_colour,
    colour_array,
    cos_sin_of_half_tangent,
    interpolate_curve,
    smooth_band,
    smoothstep,
    value_noise,
)
from shoepair.synthetic.rendering import SurfacePatch
from shoepair.synthetic.shoe_styles import SPORT_STYLES, ShoeLook, ShoeShape

POINTS_ALONG, POINTS_ACROSS = 300, 200  # grid of the upper: about one point per pixel of the depth buffer


def inner_and_outer_foot_edges(shape: ShoeShape, along: Floats) -> tuple[Floats, Floats]:
    """Return x of the inner and the outer edge of the foot along the shoe, without the welt."""
    knots = (0, 0.125), (0.14, 0.13), (0.38, 0.125), (0.66, 0.18), (0.8, 0.172), (1, 0.15)
    half = interpolate_curve(knots, along) * shape.relative_width
    heel = np.clip(1 - along / 0.13, 0, 1)
    toe = np.clip((along - 0.72 + 0.14 * shape.toe_pointedness) / (0.28 + 0.14 * shape.toe_pointedness), 0, 1)
    round_toe, pointed = np.sqrt(np.maximum(1 - toe * toe * toe, 0)), 1 - toe * toe
    half = half * np.sqrt(np.maximum(1 - heel * heel, 0)) * (round_toe + (pointed - round_toe) * shape.toe_pointedness)
    bend = -0.045 * (1 - 0.6 * shape.toe_pointedness)  # of the toe inwards
    middle = interpolate_curve(((0, 0.0), (0.3, 0.004), (0.62, 0.012), (1, bend)), along)
    return middle - half, middle + half


def sole_bottom_and_top_heights(shape: ShoeShape, along: Floats) -> tuple[Floats, Floats]:
    """Return z of the lower and the upper side of the sole along the shoe."""
    lift = shape.heel_rise * smoothstep(0.62, 0.22, along)
    top = shape.sole_thickness + lift + 0.015 * smoothstep(0.8, 1.0, along)
    under = top - shape.sole_thickness
    heel = smoothstep(0.30, 0.27, along) * (0.0 if shape.has_thin_heel else 1.0)
    return under * (1 - heel), top


def ridge_heights(shape: ShoeShape, along: Floats) -> Floats:
    """Return the height of the upper's ridge above the sole along the shoe."""
    toe = np.clip((along - 0.86) / 0.14, 0, 1)
    heel = 1 - 0.25 * smoothstep(0.08, 0.0, along)
    fall = 0.25 + 0.75 * np.sqrt(np.maximum(1 - toe * toe, 0))  # round the toe
    return np.asarray(interpolate_curve(shape.ridge_profile, along) * heel * fall)


def opening_half_widths(shape: ShoeShape, along: Floats) -> Floats:
    """Return the half width of the opening along the shoe, in k; 0 where the upper is closed."""
    start = 0.03
    s = np.clip((along - start) / (shape.opening_end - start), 0, 1)
    return np.asarray(shape.opening_half_width * np.sqrt(np.sqrt(np.maximum(4 * s * (1 - s), 0))))


def upper_surface_points(shape: ShoeShape, along: Floats, across: Floats, lift: float = 0.0) -> Floats:
    """Return the points of the closed upper's surface at (along, across), raised by `lift`: (3, ...)."""
    inner, outer = inner_and_outer_foot_edges(shape, along)
    _, top = sole_bottom_and_top_heights(shape, along)
    cos, sin = cos_sin_of_half_tangent(across)
    arch = 0.55 * np.sqrt(cos) + 0.45 * cos
    x = (inner + outer) / 2 + (outer - inner) / 2 * sin
    return np.stack([x, along + 0 * across, top + ridge_heights(shape, along) * arch + lift])


def _upper_grid(points_along: int, points_across: int) -> tuple[Floats, Floats]:
    """Return a grid of the upper, (A, 1) t and (1, B) k, ascending; denser at the ends, where the surface is steep."""
    s = np.arange(points_along, dtype=np.float32) / (points_along - 1)
    t = s * s * (3 - 2 * s)
    k = np.arange(points_across, dtype=np.float32) * 2 / (points_across - 1) - 1
    return (0.1 * s + 0.9 * t)[:, None], (1.3 * k - 0.3 * k * k * k)[None, :]


def iter_upper_patches(look: ShoeLook, rng: np.random.Generator) -> Iterator[SurfacePatch]:
    """Build the upper's surface patches: the outside, and the inside visible through the opening."""
    shape = look.shape
    t, k = _upper_grid(POINTS_ALONG + (140 if shape.height_at_heel > 0.55 else 0), POINTS_ACROSS)
    opening = opening_half_widths(shape, t)
    points = upper_surface_points(shape, t, k)
    colour = upper_colours(look, t, k, value_noise(rng, t * 160 + 0 * k, k * 90 + 0 * t))
    rim = np.abs(k) - opening
    colour = colour * (1 - 0.35 * smooth_band(rim, 0.035, 0.05, 0.01) * (opening > 0.1))
    yield SurfacePatch(points, colour, look.gloss, rim >= 0)

    k = 1.5 * k - 0.5 * k * k * k  # the inside: from rim to rim, falling to the insole; denser where it is steep
    inside = upper_surface_points(shape, t, k * opening)
    insole = sole_bottom_and_top_heights(shape, t)[1] + 0.012
    depth = np.sqrt(np.maximum(1 - k * k, 0))
    depth = 1 - (1 - depth) * (1 - depth)
    wide = upper_surface_points(shape, t, k * (2 - np.abs(k)) * np.maximum(opening, 0.4))[0]
    inside[0] = inside[0] + (wide - inside[0]) * depth * 0.6
    inside[2] = inside[2] + (insole - inside[2]) * depth
    dark = 1 - 0.62 * depth * np.clip(ridge_heights(shape, t) / 0.3, 0.25, 1.1)
    lining = colour_array(look.colours.lining) * dark
    yield SurfacePatch(inside, lining, 0.0, np.broadcast_to(opening > 0.02, inside.shape[1:]))


def iter_sole_patches(look: ShoeLook) -> Iterator[SurfacePatch]:
    """Build the sole's surface patches: side walls, upper side (an open shoe's footbed) and thin heel, if any."""
    shape, rubber = look.shape, colour_array(look.sole_colour)
    t, _ = _upper_grid(POINTS_ALONG, 2)
    inner, outer = inner_and_outer_foot_edges(shape, t)
    low, top = sole_bottom_and_top_heights(shape, t)
    y = t + 2 * shape.welt_width * (t - 0.5)
    welt = shape.welt_width * smoothstep(0.0, 0.06, outer - inner)  # none at the tips, where both walls meet
    h = bin_centres(50)[None, :]
    groove = 1 - 0.25 * (h < 0.3) * (1 - smooth_band(t * 45 - np.floor(t * 45), 0.25, 0.75, 0.2))
    line, colour = (0.30, look.colours.secondary) if look.style in SPORT_STYLES else (0.75, look.colours.upper)
    wall = blend_colour(rubber * groove, colour, 0.5 * smooth_band(h, line, line + 0.13, 0.05))
    for edge, out in ((inner, -1.0), (outer, 1.0)):
        yield SurfacePatch(np.stack([edge + out * welt * (1 - h * 0.3), y + 0 * h, low + (top - low) * h]), wall, 0.1)
    s = (np.arange(120, dtype=np.float32) / 119)[None, :]
    x = inner - welt + (outer - inner + 2 * welt) * s
    footbed = colour_array(look.colours.lining) * (0.4 if shape.opening_end else 1.0)
    to_edge = np.minimum(x - inner, outer - x) - (0.0 if shape.opening_end else 0.015)
    surface = blend_colour(footbed + 0 * x, look.sole_colour, 0.9 * smoothstep(0.006, 0.0, to_edge))
    yield SurfacePatch(np.stack([x, y + 0 * s, top + 0 * s]), surface, 0.05)
    if shape.has_thin_heel:
        yield build_heel_patch(look)


def build_heel_patch(look: ShoeLook) -> SurfacePatch:
    """Build the surface patch of a thin heel, narrowing towards the floor."""
    a, h = _upper_grid(80, 2)[0] * 4 - 2, bin_centres(100)[None, :]
    k = np.where(np.abs(a) <= 1, a, np.sign(a) * (2 - np.abs(a)))  # twice the half circle
    cos, sin = cos_sin_of_half_tangent(k)
    cos = np.where(np.abs(a) <= 1, cos, -cos)
    radius = 0.022 + 0.05 * h * h * h
    points = np.stack([sin * radius, 0.085 + cos * radius - 0.03 * (1 - h), (look.shape.heel_rise + 0.01) * h + 0 * a])
    return SurfacePatch(points, colour_array(look.colours.upper) + 0 * points, look.gloss)


def build_tube_patch(centre_line: Floats, radius: float, colour: Colour, gloss: float = 0.0) -> SurfacePatch:
    """Build the upper half of a tube around a line (3, N): a lace or a ribbon."""
    k = (np.arange(9) / 4 - 1)[None, :]
    cos, sin = cos_sin_of_half_tangent(k)
    padded = np.pad(centre_line[:2], ((0, 0), (1, 1)), mode="edge")  # so that the ends have neighbours
    dx, dy = padded[:, 2:] - padded[:, :-2]
    length = np.sqrt(dx * dx + dy * dy) + 1e-9
    x = centre_line[0][:, None] + radius * sin * (-dy / length)[:, None]
    y = centre_line[1][:, None] + radius * sin * (dx / length)[:, None]
    z = centre_line[2][:, None] + radius * cos
    weave = 0.9 + 0.1 * (np.arange(centre_line.shape[1]) % 6 < 3)[:, None] + 0 * k
    return SurfacePatch(np.stack([x, y, z]), colour_array(colour) * weave, gloss)


def iter_lace_patches(laced_look: ShoeLook, rng: np.random.Generator) -> Iterator[SurfacePatch]:
    """Build crossed laces and a bow that falls differently in every photo."""
    shape = laced_look.shape
    s = np.arange(90) / 89
    for row in range(5):
        start = shape.opening_end + 0.01 + row * 0.052
        for side in (-1.0, 1.0):
            line = upper_surface_points(shape, start + 0.05 * s, side * (0.30 - 0.6 * s) * (1 - 0.05 * row), 0.004)
            yield build_tube_patch(line, 0.010, laced_look.colours.accent)
    knot = upper_surface_points(shape, np.array([shape.opening_end + 0.015]), np.array([0.0]), 0.015)[:, 0]
    for side in (-1.0, 1.0):
        out, fall, ahead = 0.13 + 0.08 * rng.random(), 0.05 + 0.09 * rng.random(), 0.12 * (rng.random() - 0.3)
        bend = 4 * s * (1 - s)
        y, z = knot[1] + ahead * bend + 0.07 * (2 * s - 1) * bend, knot[2] + 0.02 * bend - fall * bend * bend
        yield build_tube_patch(np.stack([knot[0] + side * out * bend, y, z]), 0.009, laced_look.colours.accent)
        long, swing = 0.12 + 0.10 * rng.random(), 0.16 * (rng.random() - 0.2)
        end = np.stack([knot[0] + side * long * s, knot[1] + swing * s, knot[2] - 0.16 * s * s + 0.02 * s])
        yield build_tube_patch(end, 0.008, laced_look.colours.accent)


def build_tongue_patch(look: ShoeLook) -> SurfacePatch:
    """Build the tongue behind the laces, standing a little out of the opening."""
    shape = look.shape
    s, k = bin_centres(90)[:, None], (np.arange(70) * 2 / 69 - 1)[None, :]
    root = upper_surface_points(shape, np.array([[shape.opening_end + 0.02]]), 0.42 * k)
    points = root + np.stack([0 * s * k, -0.10 * s + 0 * k, 0.075 * s - 0.05 * s * k * k])
    if look.style == "oxford":
        return SurfacePatch(points, colour_array(look.colours.upper) + 0 * points)
    label = smooth_band(s, 0.55, 0.85) * smooth_band(np.abs(k), -0.1, 0.35)
    colour = colour_array(look.colours.secondary) + 0 * points
    return SurfacePatch(points, blend_colour(colour, look.colours.accent, label))


def iter_strap_patches(strapped_look: ShoeLook) -> Iterator[SurfacePatch]:
    """Build the straps across the foot of an open shoe, a loafer or a shoe with a strap."""
    shape = strapped_look.shape
    ranges = shape.strap_ranges or (((0.50, 0.60),) if shape.closure == "penny" else ((0.38, 0.45),))
    _, k = _upper_grid(2, POINTS_ACROSS)
    for start, end in ranges:
        s = bin_centres(70)[:, None]
        t = start + (end - start) * s
        points = upper_surface_points(shape, t, k, 0.006)
        if shape.strap_ranges:
            points[2] = points[2] + 0.02 * (1 - k * k)
        colour = colour_array(strapped_look.colours.upper) + 0 * points
        colour = colour * (1 - 0.4 * smooth_band(np.minimum(s, 1 - s), 0.10, 0.16, 0.02))
        buckle: Floats = smooth_band(np.abs(k - 0.45), -0.1, 0.09) * smooth_band(s, 0.12, 0.88)
        if shape.closure == "penny":
            buckle = smooth_band(np.abs(k), -0.1, 0.12)
        yield SurfacePatch(points, blend_colour(colour, strapped_look.colours.accent, buckle), strapped_look.gloss)


def iter_bow_patches(look: ShoeLook) -> Iterator[SurfacePatch]:
    """Build a small bow at the front of the opening."""
    s = np.arange(60) / 59
    knot = upper_surface_points(look.shape, np.array([look.shape.opening_end + 0.03]), np.array([0.0]), 0.012)[:, 0]
    for side in (-1.0, 1.0):
        for ahead in (-0.03, 0.03):
            line = np.stack([knot[0] + side * 0.075 * s, knot[1] + ahead * s, knot[2] - 0.02 * s * s])
            yield build_tube_patch(line, 0.013, look.colours.accent, 0.2)


def list_shoe_patches(look: ShoeLook, is_left: bool, rng: np.random.Generator) -> list[SurfacePatch]:
    """Build all surface patches of one shoe; a left shoe is the mirror image of the right one.

    `rng` of the photo draws grain and how the laces fall, nothing that identifies a pair.
    """
    patches = list(iter_sole_patches(look))
    closure = look.shape.closure
    if look.shape.opening_end:
        patches += iter_upper_patches(look, rng)
    if closure == "laces":
        patches += [build_tongue_patch(look), *iter_lace_patches(look, rng)]
    elif look.shape.strap_ranges or closure in ("penny", "strap"):
        patches += iter_strap_patches(look)
    elif closure == "bow":
        patches += iter_bow_patches(look)
    if not is_left:
        return patches
    mirror = np.array([-1, 1, 1], dtype=np.float32).reshape(3, 1, 1)
    return [replace(patch, points=patch.points * mirror) for patch in patches]
