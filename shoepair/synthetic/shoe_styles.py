"""Styles of synthetic shoes: shapes, colours, decorations, and the look of a pair."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shoepair.synthetic.primitives import Colour, pick_item

Knots = tuple[tuple[float, float], ...]

LOW_PROFILE: Knots = ((0, 0.25), (0.22, 0.25), (0.45, 0.31), (0.68, 0.20), (0.88, 0.145), (1, 0.12))
FLAT_PROFILE: Knots = ((0, 0.20), (0.25, 0.18), (0.5, 0.20), (0.68, 0.18), (0.88, 0.13), (1, 0.10))
SLIM_PROFILE: Knots = ((0, 0.19), (0.25, 0.155), (0.5, 0.12), (0.72, 0.13), (0.88, 0.11), (1, 0.08))
HIGH_PROFILE: Knots = ((0, 0.66), (0.25, 0.66), (0.38, 0.64), (0.52, 0.36), (0.7, 0.21), (0.88, 0.15), (1, 0.12))
MID_PROFILE: Knots = ((0, 0.46), (0.25, 0.46), (0.38, 0.46), (0.53, 0.33), (0.7, 0.21), (0.88, 0.15), (1, 0.12))


@dataclass(frozen=True)
class ShoeShape:
    """The shape of a style of shoe, in shoe lengths."""

    ridge_profile: Knots  # of the ridge above the sole, knots over t
    opening_end: float  # t where the opening ends; 0 for an open shoe, which has straps instead of an upper
    opening_half_width: float  # in k
    sole_thickness: float
    heel_rise: float = 0.0  # of the heel above the sole
    has_thin_heel: bool = False  # instead of a block
    relative_width: float = 1.0
    toe_pointedness: float = 0.0  # 0 round toe, 1 pointed toe
    welt_width: float = 0.012  # of the sole beyond the upper
    closure: str = "none"  # laces, bow, strap, gore, penny or none
    strap_ranges: tuple[tuple[float, float], ...] = ()  # in t, of an open shoe

    @property
    def height_at_heel(self) -> float:
        """The height of the shoe at its heel, in shoe lengths."""
        return self.sole_thickness + self.heel_rise + self.ridge_profile[0][1]


SHAPES_BY_STYLE: dict[str, ShoeShape] = {
    "oxford": ShoeShape(
        LOW_PROFILE,
        0.46,
        0.52,
        0.03,
        0.05,
        relative_width=0.9,
        toe_pointedness=0.35,
        welt_width=0.016,
        closure="laces",
    ),
    "sneaker": ShoeShape(LOW_PROFILE, 0.45, 0.55, 0.075, relative_width=1.04, closure="laces"),
    "trainer": ShoeShape(LOW_PROFILE, 0.42, 0.5, 0.10, relative_width=1.1, welt_width=0.022, closure="laces"),
    "hightop": ShoeShape(MID_PROFILE, 0.42, 0.6, 0.07, relative_width=1.04, closure="laces"),
    "boot": ShoeShape(HIGH_PROFILE, 0.41, 0.62, 0.06, 0.03, relative_width=1.08, welt_width=0.022, closure="laces"),
    "chelsea": ShoeShape(
        HIGH_PROFILE, 0.40, 0.6, 0.03, 0.05, relative_width=0.94, toe_pointedness=0.2, closure="gore"
    ),
    "loafer": ShoeShape(FLAT_PROFILE, 0.55, 0.62, 0.025, 0.03, relative_width=0.96, closure="penny"),
    "slipon": ShoeShape(LOW_PROFILE, 0.44, 0.6, 0.05, closure="gore"),
    "slide": ShoeShape(FLAT_PROFILE, 0, 0, 0.07, relative_width=1.08, strap_ranges=((0.48, 0.76),)),
    "sandal": ShoeShape(
        FLAT_PROFILE, 0, 0, 0.06, relative_width=1.04, strap_ranges=((0.30, 0.39), (0.62, 0.72), (0.04, 0.13))
    ),
    "pump": ShoeShape(
        SLIM_PROFILE,
        0.70,
        0.78,
        0.02,
        0.24,
        has_thin_heel=True,
        relative_width=0.84,
        toe_pointedness=0.7,
        welt_width=0.004,
    ),
    "ballerina": ShoeShape(SLIM_PROFILE, 0.70, 0.78, 0.02, relative_width=0.88, welt_width=0.006, closure="bow"),
    "maryjane": ShoeShape(
        SLIM_PROFILE, 0.66, 0.76, 0.025, 0.08, relative_width=0.88, welt_width=0.006, closure="strap"
    ),
    "bootie": ShoeShape(HIGH_PROFILE, 0.40, 0.6, 0.03, 0.16, relative_width=0.86, toe_pointedness=0.5),
    "strappy": ShoeShape(
        SLIM_PROFILE,
        0,
        0,
        0.025,
        0.18,
        has_thin_heel=True,
        relative_width=0.84,
        strap_ranges=((0.78, 0.84), (0.62, 0.67), (0.2, 0.25)),
    ),
}
STYLES_BY_CATEGORY: dict[str, tuple[str, ...]] = {
    "m": ("oxford", "sneaker", "trainer", "hightop", "boot", "chelsea", "loafer", "slipon", "slide", "sandal"),
    "w": ("pump", "ballerina", "maryjane", "bootie", "strappy", "sneaker", "trainer", "hightop", "boot", "slipon"),
}
SPORT_STYLES = ("sneaker", "trainer", "hightop", "slipon")
DRESS_STYLES = ("oxford", "chelsea", "loafer", "pump", "maryjane")

COLOURS_BY_NAME: dict[str, Colour] = {
    "black": (0.055, 0.055, 0.06),
    "charcoal": (0.20, 0.20, 0.22),
    "grey": (0.50, 0.50, 0.52),
    "white": (0.90, 0.89, 0.87),
    "cream": (0.82, 0.76, 0.64),
    "brown": (0.30, 0.17, 0.10),
    "tan": (0.60, 0.39, 0.22),
    "navy": (0.09, 0.13, 0.28),
    "blue": (0.16, 0.34, 0.66),
    "red": (0.68, 0.11, 0.12),
    "wine": (0.36, 0.07, 0.12),
    "green": (0.16, 0.36, 0.24),
    "olive": (0.34, 0.33, 0.18),
    "pink": (0.84, 0.50, 0.56),
    "yellow": (0.88, 0.70, 0.18),
    "teal": (0.12, 0.48, 0.50),
}
SOBER_COLOURS = ("black", "black", "black", "brown", "brown", "tan", "navy", "grey", "white", "white")
BRIGHT_COLOURS = ("red", "blue", "green", "pink", "teal", "wine", "olive", "yellow", "cream", "charcoal")
SOLE_COLOURS = ("white", "white", "cream", "black", "grey")
ACCENT_COLOURS = ("white", "black", "red", "blue", "yellow", "teal", "grey", "pink")
LINING_COLOURS = ("tan", "grey", "black", "cream", "red", "navy")


@dataclass(frozen=True)
class ColourScheme:
    """Matching colours: upper, second material, laces or decorations, lining."""

    upper: Colour
    secondary: Colour
    accent: Colour
    lining: Colour


@dataclass(frozen=True)
class ShoeLook:
    """The appearance of one pair: both shoes of a pair share it."""

    style: str  # key of `SHAPES_BY_STYLE`
    shape: ShoeShape  # of the style, with the pair's proportions
    colours: ColourScheme  # of everything but the sole
    sole_colour: Colour
    decorations: tuple[str, ...]  # names, of the upper
    gloss: float  # of the upper, 0 to 1
    grain_strength: float  # of mesh or leather


def sample_similar_colour(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Draw a colour that differs by at most about `spread` in every channel; near black, by less."""
    spread = spread * (0.3 + max(colour))
    red, green, blue = np.clip(np.array(colour) + (2 * rng.random(3) - 1) * spread, 0.02, 0.95)
    return float(red), float(green), float(blue)


def sample_colour_scheme(rng: np.random.Generator, colour_name: str) -> ColourScheme:
    """Draw matching colours around one of `COLOURS_BY_NAME`: decorations tone in tone, or in contrast."""
    upper = sample_similar_colour(rng, COLOURS_BY_NAME[colour_name], 0.05)
    tonal, tone = rng.random() < 0.45, sample_similar_colour(rng, upper, 0.12)
    contrast = "white" if sum(upper) < 1.2 else "charcoal"
    return ColourScheme(
        upper=upper,
        secondary=tone if tonal or rng.random() < 0.4 else COLOURS_BY_NAME[pick_item(rng, ACCENT_COLOURS)],
        accent=tone if tonal else COLOURS_BY_NAME[contrast if rng.random() < 0.5 else pick_item(rng, ACCENT_COLOURS)],
        lining=COLOURS_BY_NAME[pick_item(rng, LINING_COLOURS)],
    )


def _draw_decorations(rng: np.random.Generator, style: str) -> tuple[str, ...]:
    """Draw two decorations that suit the style; "plain" is none."""
    if style in SPORT_STYLES:
        first = pick_item(rng, ("stripes", "swoosh", "patch", "disc", "toecap", "panel", "plain"))
        return first, pick_item(rng, ("counter", "toecap", "mesh", "eyestay", "plain"))
    if style in DRESS_STYLES:
        return pick_item(rng, ("seam", "brogue", "plain", "apron")), pick_item(rng, ("counter", "plain"))
    return pick_item(rng, ("toecap", "counter", "seam", "eyestay", "plain")), pick_item(rng, ("seam", "plain"))


def sample_look(rng: np.random.Generator, style: str, scheme: ColourScheme) -> ShoeLook:
    """Draw the look of a pair of a style: proportions, sole colour, decorations, gloss and grain."""
    shape = SHAPES_BY_STYLE[style]
    shape = replace(
        shape,
        relative_width=shape.relative_width * (0.96 + 0.08 * rng.random()),
        sole_thickness=shape.sole_thickness * (0.85 + 0.35 * rng.random()),
        toe_pointedness=min(1.0, shape.toe_pointedness + 0.08 * rng.random()),
    )
    sporty = style in SPORT_STYLES or (style in ("slide", "sandal", "boot") and rng.random() < 0.4)
    gloss = (0.15 if sporty else 0.25 + 0.6 * rng.random()) * (0.6 if rng.random() < 0.3 else 1.0)
    sole = sample_similar_colour(
        rng, COLOURS_BY_NAME[pick_item(rng, SOLE_COLOURS)] if sporty else (0.10, 0.08, 0.07), 0.04
    )
    return ShoeLook(style, shape, scheme, sole, _draw_decorations(rng, style), gloss, 0.06 + 0.2 * rng.random())
