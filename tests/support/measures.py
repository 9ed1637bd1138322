"""Photos whose measures are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from shoepair.ingestion import decode, quality

EDGE = 224


def measured(image: Image.Image, path: Path) -> dict[str, Any]:
    """The measures of an image, after it was written and read."""
    image.save(path, "PNG")
    return quality.measure(decode.decode_photo(path, EDGE))
