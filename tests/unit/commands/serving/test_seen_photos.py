"""Photos that were looked at are kept: some, for a while."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra `serve` is not installed")

from typing import Any

from shoepair.commands.serving import web
from shoepair.commands.serving.predictor import NOT_SURE_VERDICT, Prediction, ShoePhoto
from shoepair.commands.serving.seen_photos import SeenPhotos
from shoepair.commands.serving.workers import Answer, Photos, SeenPhoto

ONE, OTHER, THIRD = (ShoePhoto(np.full((2, 2, 3), value, np.uint8)) for value in (1, 2, 3))


def test_photo_is_found_by_its_bytes_alone() -> None:
    async def run() -> None:
        seen = SeenPhotos()
        seen.keep(b"one", ONE)
        seen.keep(b"other", OTHER)
        assert [seen.find(content) for content in (b"one", b"other", b"one ", b"")] == [ONE, OTHER, None, None]

    asyncio.run(run())


def test_oldest_goes_when_there_are_too_many() -> None:
    async def run() -> None:
        seen = SeenPhotos(max_photos=2)
        for content, photo in ((b"one", ONE), (b"other", OTHER), (b"one", ONE), (b"third", THIRD)):
            seen.keep(content, photo)
        assert [seen.find(content) for content in (b"one", b"other", b"third")] == [ONE, None, THIRD]

    asyncio.run(run())


def test_photo_goes_after_its_time_which_a_second_look_begins_anew() -> None:
    async def run() -> None:
        clock = asyncio.get_running_loop()
        seen = SeenPhotos(seconds=0.2)
        start = clock.time()
        seen.keep(b"one", ONE)
        await asyncio.sleep(0.1)
        seen.keep(b"one", OTHER)
        while seen.find(b"one"):
            await asyncio.sleep(0.005)
        assert clock.time() - start >= 0.3
        assert not seen._kept

    asyncio.run(run())


class Pool:
    """Looks at single photos, and notes down what it gets."""

    def __init__(self) -> None:
        self.got: list[Photos] = []

    async def take(self) -> Any:
        return None

    async def predict(self, _: Any, photos: Photos) -> Answer:
        self.got.append(photos)
        if len(photos) == 2:
            return Prediction(NOT_SURE_VERDICT, 0.5, (), ())
        ((side, _content),) = photos.items()
        return SeenPhoto(side, True, "good", {"left": ONE, "right": OTHER}[side])


@pytest.mark.parametrize("looked_at", [("left", "right"), ("left",), ()])
def test_comparison_gets_what_was_seen_of_the_same_files(looked_at: tuple[str, ...]) -> None:
    files = {"left": b"file of the left one", "right": b"file of the right one"}

    async def run() -> Photos:
        pool: Any = Pool()
        handler = web.RequestHandler(pool, max_requests=1, time_limit=5)
        late = asyncio.get_running_loop().time() + 5
        for side in looked_at:
            await handler._predict({side: files[side]}, late)
        await handler._predict(files, late)
        got: Photos = pool.got[-1]
        return got

    expected = {side: {"left": ONE, "right": OTHER}[side] if side in looked_at else files[side] for side in files}
    assert asyncio.run(run()) == expected
