"""The words of a class: sets, splits, pairs, sides, kinds, and the grammar of a photo's name.

A name is `u<digits>_<pair 1-3>_<left|right>_<m|w>.<extension>`, e.g. `u052_3_left_w.png`. The format is read from the
bytes, never from the extension: of the real photos nearly every one is a PNG named `.jpg`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

SETS = ("train", "test_m", "test_w")

PAIRS = (1, 2, 3)
SIDES = ("left", "right")
KINDS = ("m", "w")
SHOES = tuple((pair, side) for pair in PAIRS for side in SIDES)  # the six photos of a student, in store order

NAME = re.compile(
    r"(?P<student>u[0-9]+)_(?P<pair>[0-9]+)_(?P<side>[a-z]+)_(?P<kind>[a-z]+)\.[a-z0-9]+",
    re.IGNORECASE | re.ASCII,
)

STUDENT = re.compile(r"(?<![a-z0-9])u[0-9]+(?![0-9])", re.IGNORECASE | re.ASCII)  # anywhere in a name or text


class PhotoError(Exception):
    """Why one file cannot be used as a photo; the caller knows which file and says so."""


@dataclass(frozen=True)
class PhotoName:
    """What a file name tells: student id ("u052"), pair 1-3, side ("left", "right"), kind ("m", "w")."""

    student: str
    pair: int
    side: str
    kind: str


def parse(name: str) -> PhotoName:
    """Read a file name.

    Raises:
        PhotoError: the name breaks the grammar; the message says which part.
    """
    parts = NAME.fullmatch(name)
    if parts is None:
        reason = f"not a photo's name{_odd_letter(name)}, expected like u052_3_left_w.png"
    elif parts["pair"] not in {"1", "2", "3"}:
        reason = f"pair {parts['pair']}, expected 1-3"
    elif parts["side"] not in SIDES:
        reason = f"side {parts['side']!r}, expected left or right"
    elif parts["kind"] not in KINDS:
        reason = f"kind {parts['kind']!r}, expected m or w"
    elif not parts["student"].startswith("u"):
        reason = f"student {parts['student']!r}, expected a small u and digits"
    else:
        return PhotoName(parts["student"], int(parts["pair"]), parts["side"], parts["kind"])
    raise PhotoError(reason)


def _odd_letter(name: str) -> str:
    """The first letter that only looks like one of ours, or is none at all."""
    for letter in name:
        if not letter.isascii():
            return f" (has {letter!a} in it, {unicodedata.name(letter, '').lower() or 'not UTF-8'})"
    return ""


def owner(name: str) -> str:
    """The student that a name mentions, also where it breaks the grammar: "u052" in "U052 copy.png"; or ""."""
    student = STUDENT.search(name)
    return student[0].lower() if student else ""


SPLITS = ("train", "valid", "test_m", "test_w")
DEALT = ("train", "valid")  # the two that the hash deals; the folder decides on the others
