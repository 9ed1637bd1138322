"""What the cards and the metadata say of the data, in sentences that hold for this class and no other.

A class is drawn, photographed, or both. Of a photographed one the project knows what the files tell and no more: what
it does not know, it says.
"""

from __future__ import annotations

from shoepair.reports.format import plural
from shoepair.reports.results import Facts

LICENCE = "None is stated. Photos that people handed in are theirs: they are not published with the project."
USES = [
    "Training and comparing models that tell whether two shoes are a pair, to help visually impaired people.",
    "Teaching how an image data set is versioned, checked and measured.",
]
PREPROCESSING = [
    "Photos are turned upright by their EXIF, made opaque sRGB, cropped to the middle square, scaled to one edge.",
    "Places, devices and other metadata of the photos come into no output.",
]
LABELS = [
    "No labels are given by hand: the name of each file says student, pair, side and kind, and two shoes are the same "
    "pair if their names say so. Wrong names are wrong labels; the stage suspects ranks students to look at."
]
UNKNOWN = (
    "Who was asked to take part, and how, in which country, by which consent and with which phone, the project does "
    "not know: ask who collected the photos before using them for anything else."
)


def description(found: Facts) -> str:
    """The class in a sentence."""
    return (
        f"Photos of shoes: {plural(found.total['students'], 'student')} with three pairs of shoes each, left and "
        f"right, {plural(found.total['accepted'], 'photo')} in {plural(len(found.batches), 'batch', 'batches')}"
        f"{_drawn(found)}. Labels: whether a left and a right shoe of one student are a pair."
    )


def _drawn(found: Facts) -> str:
    if not found.drawn:
        return ", photographed by the students themselves"
    if not found.photographed:
        return ", all of them drawn by a program and not photographed"
    return f", of which {', '.join(found.drawn)} drawn by a program"


def collection(found: Facts) -> str:
    """How the photos came here."""
    parts = []
    if found.drawn:
        parts.append(
            f"{_batches(found.drawn)} drawn by the stage sample from the seed in data/batches.yaml: nobody's shoes "
            "are in it, and nothing in it is taken from a photo."
        )
    if found.photographed:
        parts.append(
            f"{_batches(found.photographed)} handed in: each student photographed three pairs of shoes, "
            f"each shoe by itself. {UNKNOWN}"
        )
    return " ".join(parts)


def _batches(names: list[str]) -> str:
    return f"The batch “{names[0]}” was" if len(names) == 1 else f"The batches {', '.join(names)} were"


def privacy(found: Facts) -> list[str]:
    """What of people is in the data."""
    if not found.photographed:
        return ["None: the class is drawn."]
    return [
        "Photos of people's own shoes and of the floors they stand on, under a number and not a name.",
        "A student may withdraw: `shoepair forget` takes the photos out, and with `--purge` what the cache held.",
    ]


def biases(found: Facts) -> list[str]:
    """Who is in the data more often than others."""
    men, women = (sum(each[f"pairs_{kind}"] for each in found.counts.values()) for kind in ("m", "w"))
    said = (
        f"{plural(men, 'pair')} of men's shoes and {women:,} of women's ({women / max(men + women, 1):.0%}). "
        "Which of the two a pair is, the file name says."
    )
    if found.drawn:
        return [said, "Drawn shoes vary less than real ones: what is measured on them does not carry over to photos."]
    return [said, "Three pairs of each student, chosen by the student: often the newest, seldom worn-out ones."]


def drawn(found: Facts) -> str:
    """What the networks learnt from beside the class; empty where there is nothing."""
    share = max(float(card["recipe"]["synthetic"]) for card in found.cards.values())
    if not share:
        return ""
    many = f"{share:g} for each student of train, as far as there are so many"
    return f"In every epoch the networks also learn from drawn students, {many}; no accuracy is measured on them."


def views(found: Facts) -> str:
    """How often a pair is looked at for its score; empty where that is once."""
    asked = [name for name, card in found.cards.items() if card["layers"].get("tta")]
    if not asked:
        return ""
    return (
        f"{' and '.join(asked)} could answer otherwise to a pair mirrored or exchanged: what counts is the mean of "
        "four views of the pair, as it is, mirrored, exchanged, and both (test-time augmentation), and, for accuracy "
        "while training, one view."
    )


def limitations(found: Facts) -> list[str]:
    """What the data cannot show."""
    tests = sum(found.counts[name]["students"] for name in ("test_m", "test_w"))
    few = (
        f"{plural(tests, 'test student')}: intervals are wide, and small differences between models cannot be told."
        if tests
        else "No test students: models can be compared on validation alone, on which they were chosen."
    )
    return [
        few,
        "Different pairs are of one student. Two shoes of one household look more alike than two of strangers.",
        "Every photo shows one whole shoe, in the middle, on a floor: a heap, a hand or a part of one is not in it.",
    ]
