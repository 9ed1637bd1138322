"""What is said about photos that cannot be read, or were just chosen: one sentence that a person understands."""

from __future__ import annotations

import pytest

from shoepair.commands.serving import photo_issues
from shoepair.ingestion import quality

NO_FORMAT = "cannot be decoded (not a JPEG, HEIC, PNG, WebP or AVIF image)"


@pytest.mark.parametrize(
    ("content", "reason", "text"),
    [
        (b"%PDF-1.7", NO_FORMAT, "is a PDF document; take a photo of the shoe with the camera"),
        (
            b"\0\0\0\x18ftypqt  ",
            NO_FORMAT,
            "is a film; take a photo instead, and of a Live Photo choose the still picture",
        ),
        (
            b"\0\0\0\x18ftypisom",
            NO_FORMAT,
            "is a film; take a photo instead, and of a Live Photo choose the still picture",
        ),
        (b"\x1aE\xdf\xa3", NO_FORMAT, "is a film; take a photo instead, and of a Live Photo choose the still picture"),
        (b"\0\0\0\x18ftyphevc", "a film, or a burst that plays", "is a film or a burst; choose a single photo of it"),
        (b"GIF89a", NO_FORMAT, "is an animation or a drawing; take a photo of the shoe with the camera"),
        (b"PK\x03\x04", NO_FORMAT, "is an archive or a document; take a photo of the shoe with the camera"),
        (b"II*\0", NO_FORMAT, "is a picture that cannot be read here; send it as a JPEG"),
        (b"<!doctype html>", NO_FORMAT, "is a web page or a drawing; take a photo of the shoe with the camera"),
        (b"hello", NO_FORMAT, "is not a photo; take a photo of the shoe with the camera"),
        (
            b"\xff\xd8",
            "16320 x 12300 pixels, expected 200 million at most",
            "has too many pixels; send it smaller, or take it with less resolution",
        ),
        (
            b"\x89PNG",
            "64,000,001 bytes, expected 64,000,000 at most: save it as JPEG",
            "is too large; send it smaller, or take it with less resolution",
        ),
        (
            b"\xff\xd8",
            "animated, expected a single picture",
            "is an animation; take a photo of the shoe with the camera",
        ),
        (
            b"\xff\xd8",
            "8,000 scans of 9 x 9 pixels, expected 3 at most: x",
            "asks for too much work; save it again as a plain JPEG",
        ),
        (
            b"\xff\xd8",
            "900 x 60 pixels, expected ...: crop it to the shoe",
            "is very long, as a panorama or a long screenshot; crop it to the shoe",
        ),
        (b"\xff\xd8", "9 x 9 pixels, expected 16 x 16 or more", "is too small; send it as large as it was taken"),
        (b"\xff\xd8", "cannot be decoded (premature end)", photo_issues.DAMAGED),
        (b"", "cannot be decoded (the file is empty)", photo_issues.DAMAGED),
    ],
)
def test_file_that_cannot_be_read_gets_one_sentence(content: bytes, reason: str, text: str) -> None:
    assert photo_issues.explain_unreadable(content, reason) == text


def test_every_flag_has_a_text() -> None:
    assert set(quality.FLAG_NAMES) | photo_issues.NO_SHOE_ISSUES <= photo_issues.ISSUE_TEXTS.keys()


@pytest.mark.parametrize(
    ("issues", "known", "sentence"),
    [
        ((), False, "The photo of the left shoe is good: sharp, and bright enough."),
        ((), True, "The photo of the left shoe is good: a shoe, sharp, and bright enough."),
        (("dark",), True, "The photo of the left shoe is too dark: take it again with more light."),
        (
            ("no_shoe", "blurred"),
            True,
            "The photo of the left shoe shows no shoe: put the shoe in the middle of the picture and take it again.",
        ),
    ],
)
def test_chosen_photo_is_described(issues: tuple[str, ...], known: bool, sentence: str) -> None:
    assert photo_issues.describe_photo("the left shoe", issues, is_shoe_known=known) == sentence
