"""A photo of the tiny class, read remotely, and the message of its failure."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from shoepair.runtime import paths, storage
from shoepair.runtime.errors import ShoepairError
from support.buckets import server as server  # a fixture

PHOTO = paths.raw_path("tiny") / "train/u001_1_left_m.jpg"


def listed(path: Path = PHOTO) -> storage.PhotoFile:
    """Return a photo as a table lists it that was made now."""
    content = path.read_bytes()
    return storage.PhotoFile(path, len(content), hashlib.sha256(content).hexdigest())


def refusal(photo: storage.PhotoFile | None = None) -> str:
    """Return the first line of the error of a photo; it comes in time, and a line with the fix follows."""
    start = time.monotonic()
    with pytest.raises(ShoepairError) as caught:
        list(storage.read_photos([photo or listed()]))
    assert time.monotonic() - start < 10, "the user waited"  # a documented limit, not a measure of speed
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    return lines[0]
