"""Quality measures of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from shoepair.ingestion import decoding, quality

EDGE = 224


def measured(image: Image.Image, path: Path) -> dict[str, Any]:
    """Write an image, read it again, and return its quality measures."""
    image.save(path, "PNG")
    return quality.measure_image_stats(decoding.decode_photo(path, EDGE))
