"""Photos that were looked at when they were chosen: kept for the comparison, which then needs no second look.

The page sends the same bytes again with the comparison; they are recognised by their digest. What is kept is the
prepared photo, at most `MAX_PHOTOS` of them, each for `SECONDS`, in memory only.
"""

from __future__ import annotations

import asyncio
import hashlib

from shoepair.commands.serving.predictor import ShoePhoto

MAX_PHOTOS = 64  # of up to 0.9 MB
SECONDS = 300.0  # the page states it in minutes


class SeenPhotos:
    """Prepared photos by the digest of their file; the oldest is dropped for a new one. Belongs to one event loop.

    Args:
        max_photos: that are kept.
        seconds: that each is kept.
    """

    def __init__(self, max_photos: int = MAX_PHOTOS, seconds: float = SECONDS) -> None:
        self._max_photos = max_photos
        self._seconds = seconds
        self._kept: dict[bytes, tuple[ShoePhoto, asyncio.TimerHandle]] = {}  # the oldest first

    def keep(self, content: bytes, photo: ShoePhoto) -> None:
        """Keep what was prepared of a file, from now on."""
        key = _digest(content)
        self._drop(key)
        while len(self._kept) >= self._max_photos:
            self._drop(next(iter(self._kept)))
        self._kept[key] = photo, asyncio.get_running_loop().call_later(self._seconds, self._drop, key)

    def find(self, content: bytes) -> ShoePhoto | None:
        """Return what was prepared of a file; None if it was not seen, or is no longer kept."""
        photo, _ = self._kept.get(_digest(content), (None, None))
        return photo

    def _drop(self, key: bytes) -> None:
        _, timer = self._kept.pop(key, (None, None))
        if timer:
            timer.cancel()


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
