"""What is wrong with a photo, told to a person: what it is, and what to do.

A photo has *issues* if it can be read but not judged: it is blurred or dark, shows no shoe or several. A photo that
cannot be read at all has one *reason*, which names no format that only programs know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the commands' help does not wait for NumPy
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

ISSUE_TEXTS = {  # issue -> what is wrong, and what to do; the flags of `quality`, and what a `ShoeDetector` finds
    "no_shoe": ("shows no shoe", "put the shoe in the middle of the picture and take it again"),
    "several_shoes": ("shows more than one shoe", "take one shoe alone"),
    "cut_off": ("shows only a part of the shoe", "go back a little, so that the whole shoe is in the picture"),
    "far_away": ("shows the shoe very small", "go closer, one forearm above the shoe"),
    "blurred": ("is blurred", "hold the camera still and let it focus, then take it again"),
    "dark": ("is too dark", "take it again with more light"),
    "overexposed": ("is too bright", "take it again with less light, or away from the sun"),
    "low_contrast": ("has hardly any contrast", "take it again on a floor of another colour than the shoe"),
    "tiny": ("is too small", "go closer, or use a larger picture"),
}
NO_SHOE_ISSUES = frozenset({"no_shoe", "several_shoes"})  # such a photo is compared with no other

TAKE_PHOTO = "take a photo of the shoe with the camera"
STARTS = (  # start of a file -> what it is
    (rb"%PDF", f"is a PDF document; {TAKE_PHOTO}"),
    (
        rb"\x1aE\xdf\xa3|RIFF....AVI |....ftyp(?:isom|iso\d|mp4\d|M4V |qt  |avc1|3gp|MSNV)|....(?:moov|mdat|wide)",
        "is a film; take a photo instead, and of a Live Photo choose the still picture",
    ),
    (rb"....ftyp(?:hevc|hevx|msf1|avis)", "is a film or a burst; choose a single photo of it"),
    (rb"GIF8", f"is an animation or a drawing; {TAKE_PHOTO}"),
    (rb"PK\x03\x04", f"is an archive or a document; {TAKE_PHOTO}"),
    (rb"II\*\0|MM\0\*|BM|....ftypcrx|FUJIFILM", "is a picture that cannot be read here; send it as a JPEG"),
    (rb"\s*<", f"is a web page or a drawing; {TAKE_PHOTO}"),
)
REASONS = (  # a word of the decoder's reason -> what to say; the first that is found counts
    ("million", "has too many pixels; send it smaller, or take it with less resolution"),
    ("film, or a burst", "is a film or a burst; choose a single photo of it"),
    ("animated", f"is an animation; {TAKE_PHOTO}"),
    ("bytes, expected", "is too large; send it smaller, or take it with less resolution"),
    ("at most: ", "asks for too much work; save it again as a plain JPEG"),
    ("segments, expected", "asks for too much work; save it again as a plain JPEG"),
    ("crop it to the shoe", "is very long, as a panorama or a long screenshot; crop it to the shoe"),
    ("pixels, expected", "is too small; send it as large as it was taken"),
    ("HDR", "has colours that cannot be read here; switch HDR off in the camera, or send it as a JPEG"),
    ("too little memory", "needs more memory than there is now; send it smaller"),
    ("not a JPEG", f"is not a photo; {TAKE_PHOTO}"),
)
DAMAGED = "is damaged or did not arrive whole; send it again, or take a new one"


class ShoeDetector(Protocol):
    """Tells whether a photo shows one whole shoe."""

    def shares_start(self, sha256: str, edge: int) -> bool:
        """Whether a pretrained model with these weights, for photos of this edge, has the detector's first maps."""

    def find_issues(self, pixels: NDArray[np.uint8], start: Tensor | None = None) -> tuple[str, ...]:
        """Return keys of `ISSUE_TEXTS` for a prepared photo; none if it shows one whole shoe.

        Args:
            pixels: (S, S, 3).
            start: its maps (1, C, H, H), if a model that shares them has computed them.
        """


def explain_unreadable(content: bytes, reason: str) -> str:
    """Return what is wrong with a file that cannot be read, and what to do: "is a film; take a photo instead".

    Args:
        content: the start of the file, or all of it.
        reason: the decoder's.
    """
    for pattern, text in STARTS:
        if re.match(pattern, content[:64], re.DOTALL):
            return text
    return next((text for word, text in REASONS if word in reason), DAMAGED)


def describe_photo(name: str, issues: tuple[str, ...], *, is_shoe_known: bool) -> str:
    """Return a sentence on a photo that was just chosen: that it is good, or what to do.

    Args:
        name: what to call the shoe.
        issues: keys of `ISSUE_TEXTS`.
        is_shoe_known: whether it was looked for a shoe.
    """
    if issues:
        problem, remedy = ISSUE_TEXTS[issues[0]]
        return f"The photo of {name} {problem}: {remedy}."
    good = "a shoe, sharp, and bright enough" if is_shoe_known else "sharp, and bright enough"
    return f"The photo of {name} is good: {good}."
