"""What students own: kinds of shoe with their builds, colours, and the look that tells one pair from another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shoepair.synthetic.primitives import Colour, pick

Knots = tuple[tuple[float, float], ...]

LOW: Knots = ((0, 0.25), (0.22, 0.25), (0.45, 0.31), (0.68, 0.20), (0.88, 0.145), (1, 0.12))
FLAT: Knots = ((0, 0.20), (0.25, 0.18), (0.5, 0.20), (0.68, 0.18), (0.88, 0.13), (1, 0.10))
SLIM: Knots = ((0, 0.19), (0.25, 0.155), (0.5, 0.12), (0.72, 0.13), (0.88, 0.11), (1, 0.08))
HIGH: Knots = ((0, 0.66), (0.25, 0.66), (0.38, 0.64), (0.52, 0.36), (0.7, 0.21), (0.88, 0.15), (1, 0.12))
MID: Knots = ((0, 0.46), (0.25, 0.46), (0.38, 0.46), (0.53, 0.33), (0.7, 0.21), (0.88, 0.15), (1, 0.12))


@dataclass(frozen=True)
class Form:
    """The build of a kind of shoe, in shoe lengths."""

    height: Knots  # of the ridge above the sole, knots over t
    front: float  # t where the opening ends; 0 for an open shoe, which has straps in place of an upper
    opening: float  # half width of the opening in k
    sole: float  # thickness
    rise: float = 0.0  # of the heel above it
    post: bool = False  # a thin heel in place of a block
    width: float = 1.0  # relative
    point: float = 0.0  # 0 round toe, 1 pointed toe
    welt: float = 0.012  # how far the sole stands out
    closure: str = "none"  # laces, bow, strap, gore, penny or none
    straps: tuple[tuple[float, float], ...] = ()  # t ranges of the bands of an open shoe

    @property
    def tall(self) -> float:
        """Height of the shoe at its heel."""
        return self.sole + self.rise + self.height[0][1]


FORMS: dict[str, Form] = {
    "oxford": Form(LOW, 0.46, 0.52, 0.03, 0.05, width=0.9, point=0.35, welt=0.016, closure="laces"),
    "sneaker": Form(LOW, 0.45, 0.55, 0.075, width=1.04, closure="laces"),
    "trainer": Form(LOW, 0.42, 0.5, 0.10, width=1.1, welt=0.022, closure="laces"),
    "hightop": Form(MID, 0.42, 0.6, 0.07, width=1.04, closure="laces"),
    "boot": Form(HIGH, 0.41, 0.62, 0.06, 0.03, width=1.08, welt=0.022, closure="laces"),
    "chelsea": Form(HIGH, 0.40, 0.6, 0.03, 0.05, width=0.94, point=0.2, closure="gore"),
    "loafer": Form(FLAT, 0.55, 0.62, 0.025, 0.03, width=0.96, closure="penny"),
    "slipon": Form(LOW, 0.44, 0.6, 0.05, closure="gore"),
    "slide": Form(FLAT, 0, 0, 0.07, width=1.08, straps=((0.48, 0.76),)),
    "sandal": Form(FLAT, 0, 0, 0.06, width=1.04, straps=((0.30, 0.39), (0.62, 0.72), (0.04, 0.13))),
    "pump": Form(SLIM, 0.70, 0.78, 0.02, 0.24, post=True, width=0.84, point=0.7, welt=0.004),
    "ballerina": Form(SLIM, 0.70, 0.78, 0.02, width=0.88, welt=0.006, closure="bow"),
    "maryjane": Form(SLIM, 0.66, 0.76, 0.025, 0.08, width=0.88, welt=0.006, closure="strap"),
    "bootie": Form(HIGH, 0.40, 0.6, 0.03, 0.16, width=0.86, point=0.5),
    "strappy": Form(SLIM, 0, 0, 0.025, 0.18, post=True, width=0.84, straps=((0.78, 0.84), (0.62, 0.67), (0.2, 0.25))),
}
KINDS: dict[str, tuple[str, ...]] = {
    "m": ("oxford", "sneaker", "trainer", "hightop", "boot", "chelsea", "loafer", "slipon", "slide", "sandal"),
    "w": ("pump", "ballerina", "maryjane", "bootie", "strappy", "sneaker", "trainer", "hightop", "boot", "slipon"),
}
SPORTS = ("sneaker", "trainer", "hightop", "slipon")
DRESS = ("oxford", "chelsea", "loafer", "pump", "maryjane")

COLOURS: dict[str, Colour] = {
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
SOBER = ("black", "black", "black", "brown", "brown", "tan", "navy", "grey", "white", "white")
BRIGHT = ("red", "blue", "green", "pink", "teal", "wine", "olive", "yellow", "cream", "charcoal")
MIDSOLES = ("white", "white", "cream", "black", "grey")
ACCENTS = ("white", "black", "red", "blue", "yellow", "teal", "grey", "pink")
LININGS = ("tan", "grey", "black", "cream", "red", "navy")


@dataclass(frozen=True)
class Scheme:
    """Colours that go together: upper, second material, laces or trimmings, lining."""

    upper: Colour
    second: Colour
    accent: Colour
    lining: Colour


@dataclass(frozen=True)
class Look:
    """What tells one pair from another: both shoes of a pair have the same look."""

    kind: str  # key of `FORMS`
    form: Form  # of the kind, with the pair's own proportions
    colours: Scheme  # of everything but the sole
    sole: Colour  # its colour
    trims: tuple[str, ...]  # names of the trimmings on the upper
    gloss: float  # of the upper, 0 to 1
    texture: float  # strength of the mesh or the leather's grain


def near(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """A colour at most about `spread` away in every channel; a near black stays black."""
    spread = spread * (0.3 + max(colour))
    red, green, blue = np.clip(np.array(colour) + (2 * rng.random(3) - 1) * spread, 0.02, 0.95)
    return float(red), float(green), float(blue)


def draw_scheme(rng: np.random.Generator, colour: str) -> Scheme:
    """Colours around one of `COLOURS`: trimmings tone in tone, or in contrast."""
    upper = near(rng, COLOURS[colour], 0.05)
    quiet, tone = rng.random() < 0.45, near(rng, upper, 0.12)
    contrast = "white" if sum(upper) < 1.2 else "charcoal"
    return Scheme(
        upper=upper,
        second=tone if quiet or rng.random() < 0.4 else COLOURS[pick(rng, ACCENTS)],
        accent=tone if quiet else COLOURS[contrast if rng.random() < 0.5 else pick(rng, ACCENTS)],
        lining=COLOURS[pick(rng, LININGS)],
    )


def _trims(rng: np.random.Generator, kind: str) -> tuple[str, ...]:
    """Trimmings that suit the kind: one that makes the face of the shoe, and perhaps a second."""
    if kind in SPORTS:
        first = pick(rng, ("stripes", "swoosh", "patch", "disc", "toecap", "panel", "plain"))
        return first, pick(rng, ("counter", "toecap", "mesh", "eyestay", "plain"))
    if kind in DRESS:
        return pick(rng, ("seam", "brogue", "plain", "apron")), pick(rng, ("counter", "plain"))
    return pick(rng, ("toecap", "counter", "seam", "eyestay", "plain")), pick(rng, ("seam", "plain"))


def design(rng: np.random.Generator, kind: str, scheme: Scheme) -> Look:
    """Draw a pair's look: proportions, sole and trimmings."""
    form = FORMS[kind]
    form = replace(
        form,
        width=form.width * (0.96 + 0.08 * rng.random()),
        sole=form.sole * (0.85 + 0.35 * rng.random()),
        point=min(1.0, form.point + 0.08 * rng.random()),
    )
    sporty = kind in SPORTS or (kind in ("slide", "sandal", "boot") and rng.random() < 0.4)
    gloss = (0.15 if sporty else 0.25 + 0.6 * rng.random()) * (0.6 if rng.random() < 0.3 else 1.0)
    sole = near(rng, COLOURS[pick(rng, MIDSOLES)] if sporty else (0.10, 0.08, 0.07), 0.04)
    return Look(kind, form, scheme, sole, _trims(rng, kind), gloss, 0.06 + 0.2 * rng.random())
