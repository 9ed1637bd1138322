"""A photo of the tiny class as it is read elsewhere, and how its refusal reads."""

from __future__ import annotations

import hashlib
import io
import time
from pathlib import Path

import pytest

from shoepair.runtime import paths, storage
from shoepair.runtime.errors import ShoepairError
from support.buckets import server as server  # a fixture

PHOTO = paths.raw("tiny") / "train/u001_1_left_m.jpg"


def listed(path: Path = PHOTO) -> storage.Listed:
    return storage.Listed(path, hashlib.sha256(path.read_bytes()).hexdigest())


def content(opened: Path | io.BufferedIOBase | object) -> bytes:
    assert isinstance(opened, io.BytesIO)
    return opened.read()


def refusal(photo: storage.Listed | None = None) -> str:
    """The message of a photo that cannot be had; it comes in time, and is one line and a remedy."""
    start = time.monotonic()
    with pytest.raises(ShoepairError) as caught:
        list(storage.opened([photo or listed()]))
    assert time.monotonic() - start < 10, "the user waited"  # the limit that a user was promised, not a speed
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    return lines[0]
