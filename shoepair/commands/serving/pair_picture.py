"""A picture of the answers of `shoepair check`: the two shoes of each side by side, with the verdict below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shoepair.commands.serving.predictor import Prediction, ShoePhoto
from shoepair.reports.formatting import format_percent
from shoepair.runtime import atomic_files

GAP, TEXT_HEIGHT = 8, 52  # pixels
MAX_COLUMNS = 3
MAX_NAME_LENGTH = 28  # letters of a file's name

ShownPair = tuple[str, str, ShoePhoto, ShoePhoto, Prediction]  # names, photos, answer


def draw_pairs(pairs: Sequence[ShownPair]) -> Image.Image:
    """Draw the pairs in rows of three; without any, a line that says so."""
    if not pairs:
        sheet = Image.new("RGB", (400, TEXT_HEIGHT), "white")
        ImageDraw.Draw(sheet).text((GAP, GAP), "no pair found", "black", ImageFont.load_default(16))
        return sheet
    edge = len(pairs[0][2].pixels)
    width, height = 2 * edge + 3 * GAP, edge + TEXT_HEIGHT + 2 * GAP
    columns = min(MAX_COLUMNS, len(pairs))
    sheet = Image.new("RGB", (columns * width, -(-len(pairs) // columns) * height), "white")
    draw, large, small = ImageDraw.Draw(sheet), ImageFont.load_default(16), ImageFont.load_default(12)
    for number, (left_name, right_name, left, right, prediction) in enumerate(pairs):
        x, y = number % columns * width + GAP, number // columns * height + GAP
        for offset, name, photo in ((0, left_name, left), (edge + GAP, right_name, right)):
            sheet.paste(Image.fromarray(np.ascontiguousarray(photo.pixels)), (x + offset, y))
            draw.text((x + offset, y + edge + 24), _shorten(name), "black", small)
        draw.text((x, y + edge + 4), f"{prediction.verdict}, {format_percent(prediction.score)}", "black", large)
    return sheet


def write_picture(path: Path, pairs: Sequence[ShownPair]) -> None:
    """Write the picture of pairs as PNG."""
    with atomic_files.atomic_write(path) as part:
        draw_pairs(pairs).save(part, "PNG")


def _shorten(name: str) -> str:
    printable = name.encode("latin-1", "replace").decode("latin-1")  # the font has no other letters
    return printable if len(printable) <= MAX_NAME_LENGTH else f"...{printable[3 - MAX_NAME_LENGTH :]}"
