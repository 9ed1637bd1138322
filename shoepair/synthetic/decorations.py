"""Decorations of an upper: coverage and colour.

A decoration has a coverage, 0..1, at every point of the upper: t along the shoe, 0 heel to 1 toe; k across, -1 inner
edge to 1 outer edge; side = |k|, 0 ridge to 1 bottom edge.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shoepair.synthetic.primitives import Floats, blend_colour, colour_array, smooth_band, smoothstep
from shoepair.synthetic.shoe_styles import ShoeLook


def _dot_row(x: Floats, softness: float) -> Floats:
    """Return the coverage of a row of dots: 1 in the middle of every unit."""
    return smooth_band(x - np.floor(x), 0.3, 0.7, softness)


def stripe_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of three slanting stripes on either side of the upper."""
    side = np.abs(across)
    slant = along + 0.16 * side
    bars: Floats = smooth_band(slant, 0.50, 0.532) + smooth_band(slant, 0.57, 0.602) + smooth_band(slant, 0.64, 0.672)
    return bars * smooth_band(side, 0.42, 0.93)


def swoosh_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of a bent band on either side of the upper."""
    side = np.abs(across)
    bend = side - (along - 0.38) * (along - 0.38) * 2.2
    return smooth_band(bend, 0.60, 0.82) * smooth_band(along + 0.16 * side, 0.40, 0.80)


def ankle_patch_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of a rectangular patch at the ankle."""
    return smooth_band(along, 0.28, 0.42) * smooth_band(np.abs(across), 0.62, 0.88)


def ankle_disc_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of a round badge at the ankle."""
    u, v = (along - 0.36) / 0.075, (np.abs(across) - 0.76) / 0.15
    return smoothstep(1.0, 0.8, u * u + v * v)


def toecap_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of the toecap."""
    return smoothstep(0.815, 0.825, along + 0.03 * np.abs(across))


def side_panel_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of a panel round the bottom of the upper, highest at both ends."""
    return smoothstep(0.62, 0.64, np.abs(across) + 0.25 * np.abs(along - 0.55))


def heel_counter_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of the heel counter."""
    return smoothstep(0.17, 0.16, along - 0.05 * np.abs(across))


def eyestay_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of the eyestay, the strip that the laces go through."""
    return smooth_band(along, 0.40, 0.73) * smooth_band(np.abs(across), -0.1, 0.36)


def mesh_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of mesh holes over the forefoot."""
    return _dot_row(along * 60, 0.15) * _dot_row(across * 22, 0.15) * smooth_band(along, 0.5, 0.95)


def toe_seam_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of two rows of stitches behind the toe."""
    line = along + 0.04 * np.abs(across)
    return smooth_band(line, 0.78, 0.784, 0.003) + smooth_band(line, 0.80, 0.804, 0.003)


def brogue_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of the toe seam and a row of punched holes."""
    line = along + 0.04 * np.abs(across)
    return toe_seam_coverage(along, across) + _dot_row(across * 14, 0.1) * smooth_band(line, 0.84, 0.86)


def apron_ridge_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of a moccasin's ridge round the top of the forefoot."""
    line = np.abs(across) + 0.9 * smoothstep(0.66, 0.95, along)
    return smooth_band(line, 0.50, 0.54, 0.01) * smoothstep(0.5, 0.55, along)


def elastic_gore_coverage(along: Floats, across: Floats) -> Floats:
    """Return the coverage, 0..1, of ribbed elastic at the ankle."""
    ribs = 1 - 0.25 * _dot_row(along * 90, 0.2)
    return smooth_band(along, 0.22, 0.34) * smoothstep(0.95, 0.85, np.abs(across)) * ribs


Coverage = Callable[[Floats, Floats], Floats]
ACCENT_COVERAGES: dict[str, Coverage] = {
    "stripes": stripe_coverage,
    "swoosh": swoosh_coverage,
    "patch": ankle_patch_coverage,
    "disc": ankle_disc_coverage,
}
SECONDARY_COVERAGES: dict[str, Coverage] = {
    "toecap": toecap_coverage,
    "panel": side_panel_coverage,
    "counter": heel_counter_coverage,
    "eyestay": eyestay_coverage,
}
SHADING_COVERAGES: dict[str, Coverage] = {
    "mesh": mesh_coverage,
    "seam": toe_seam_coverage,
    "brogue": brogue_coverage,
    "apron": apron_ridge_coverage,
    "gore": elastic_gore_coverage,
}


def upper_colours(look: ShoeLook, along: Floats, across: Floats, grain: Floats) -> Floats:
    """Return the colours of the upper with its decorations: (3, A, B), at t (A, 1), k (1, B), with grain (A, B), 0..1.

    A name without a coverage, such as "plain", adds nothing.
    """
    colour: Floats = colour_array(look.colours.upper) * (1 + look.grain_strength * (grain - 0.5))
    for name in (*look.decorations, look.shape.closure):
        if name in ACCENT_COVERAGES:
            colour = blend_colour(colour, look.colours.accent, ACCENT_COVERAGES[name](along, across))
        elif name in SECONDARY_COVERAGES:
            colour = blend_colour(colour, look.colours.secondary, SECONDARY_COVERAGES[name](along, across))
        elif name in SHADING_COVERAGES:
            colour = colour * (1 - 0.5 * SHADING_COVERAGES[name](along, across))
    return colour
