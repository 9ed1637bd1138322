"""Photo names and the vocabulary of a class: subsets, splits, pairs, sides, categories.

A name is `u<digits>_<pair 1-3>_<left|right>_<m|w>.<extension>`, e.g. `u052_3_left_w.png`. The image format is read
from the bytes, never from the extension: nearly all real photos are PNG files named `.jpg`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath

STUDENT_LETTER = "u"  # before the digits of a student's id
CATEGORY_BY_TEST_SPLIT = {"test_m": "m", "test_w": "w"}  # a test subset holds one category ("": all); train holds both
TEST_SPLITS = tuple(CATEGORY_BY_TEST_SPLIT)  # assigned by the folder
NON_TEST_SPLITS = ("train", "valid")  # assigned by hash
SUBSETS = ("train", *TEST_SPLITS)
SPLITS = (*NON_TEST_SPLITS, *TEST_SPLITS)

PAIR_NUMBERS = (1, 2, 3)
SIDES = ("left", "right")
CATEGORIES = ("m", "w")
FORMAT_NAMES = "JPEG, HEIC, PNG, WebP or AVIF"  # of photos; told by the bytes
SHOE_KEYS = tuple((pair, side) for pair in PAIR_NUMBERS for side in SIDES)  # a student's photos, in store order

PHOTO_NAME_PATTERN = re.compile(
    rf"(?P<student>{STUDENT_LETTER}[0-9]+)_(?P<pair>[0-9]+)_(?P<side>[a-z]+)_(?P<category>[a-z]+)\.[a-z0-9]+",
    re.IGNORECASE | re.ASCII,
)
# Anywhere in a name or text.
STUDENT_ID_PATTERN = re.compile(rf"(?<![a-z0-9]){STUDENT_LETTER}[0-9]+(?![0-9])", re.IGNORECASE | re.ASCII)
WHOLE_STEM_PATTERN = re.compile(rf"(?<![a-z0-9]){STUDENT_LETTER}[0-9]+_[123]_(left|right)_[mw](?![a-z0-9])", re.ASCII)
UNFINISHED_SUFFIXES = (".icloud", ".nextcloud", ".owncloud", ".part", ".partial", ".filepart", ".crdownload")


class PhotoError(Exception):
    """A file cannot be used as a photo; the message says why, without the file's name."""


@dataclass(frozen=True)
class PhotoName:
    """Parts of a photo's name: student id ("u052"), pair 1-3, side ("left", "right"), category ("m", "w")."""

    student: str
    pair: int
    side: str
    category: str


def parse_photo_name(file_name: str) -> PhotoName:
    """Parse a photo's file name into student id, pair, side and category.

    Raises:
        PhotoError: the name breaks the grammar; the message names the part.
    """
    parts = PHOTO_NAME_PATTERN.fullmatch(file_name)
    if parts is None:
        reason = f"not a photo's name{_describe_non_ascii(file_name)}, {_describe_expected_name(file_name)}"
    elif parts["pair"] not in {"1", "2", "3"}:
        reason = f"pair {parts['pair']}, expected 1-3"
    elif parts["side"] not in SIDES:
        reason = f"side {parts['side']!r}, expected left or right"
    elif parts["category"] not in CATEGORIES:
        reason = f"category {parts['category']!r}, expected m or w"
    elif not parts["student"].startswith(STUDENT_LETTER):
        reason = f"student {parts['student']!r}, expected a small {STUDENT_LETTER} and digits"
    else:
        return PhotoName(parts["student"], int(parts["pair"]), parts["side"], parts["category"])
    raise PhotoError(reason)


def _describe_non_ascii(file_name: str) -> str:
    """Return a remark on the first non-ASCII letter, which may look like an ASCII one; or ""."""
    for letter in file_name:
        if not letter.isascii():
            return f" (has {letter!a} in it, {unicodedata.name(letter, '').lower() or 'not UTF-8'})"
    return ""


def _describe_expected_name(file_name: str) -> str:
    """Return what was expected, and for a second version or half a photo, what to do with it."""
    stem, suffix = WHOLE_STEM_PATTERN.search(file_name), PurePath(file_name).suffix
    if stem and suffix.lower() in UNFINISHED_SUFFIXES:
        return "expected the photo itself: this is a placeholder or half a download, download it as a whole"
    if stem and PHOTO_NAME_PATTERN.fullmatch(f"{stem[0]}{suffix}"):
        without_blanks = "".join(file_name.split()) == f"{stem[0]}{suffix}"
        advice = (
            "without a blank" if without_blanks else "if it is a second version, keep the right one under this name"
        )
        return f"expected {stem[0]}{suffix}: {advice}"
    return f"expected like {STUDENT_LETTER}052_3_left_w.png"


def strip_leading_zeros(student: str) -> str:
    """Return what students are compared by: u2, u02 and u002 are one number, so one student, like "u2"."""
    return f"{STUDENT_LETTER}{student[1:].lstrip('0') or '0'}"


def extract_student_id(text: str) -> str:
    """Return the first student id in a text, in lower case, such as "u052" in "U052 copy.png"; or ""."""
    student = STUDENT_ID_PATTERN.search(text)
    return student[0].lower() if student else ""
