"""Workers that predict verdicts, run in this process."""

from __future__ import annotations

import functools
import io
import signal
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from PIL import Image
from support.field import EDGE

from shoepair.commands.serving import workers
from shoepair.commands.serving.predictor import NOT_SURE_VERDICT, Prediction, ShoePhoto
from shoepair.commands.serving.workers import UnusablePhoto, WorkerPool
from shoepair.ingestion import decoding


class FakePredictor:
    """Returns whether the left one of two plain photos is the lighter one."""

    def prepare_photo(self, source: Path | BinaryIO, max_pixels: int) -> ShoePhoto:
        return ShoePhoto(decoding.decode_photo(source, EDGE, max_pixels).pixels)

    def predict(self, left: ShoePhoto, right: ShoePhoto) -> Prediction:
        return Prediction(NOT_SURE_VERDICT, float(left.pixels.mean() > right.pixels.mean()), (), ())


class Pool:
    """A pool whose only process is this one."""

    def __init__(self, max_workers: int, initializer: Callable[[], None], context: object) -> None:
        self.events: list[object] = [max_workers]
        self.start = initializer
        self.context = context

    def schedule(self, function: Callable[..., Any], args: tuple[Any, ...] = (), **limits: float) -> Future[Any]:
        self.start()
        self.events.append(limits)
        future: Future[Any] = Future()
        future.set_result(function(*args))
        return future

    def stop(self) -> None:
        self.events.append("stop")

    def join(self) -> None:
        self.events.append("join")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record what a process sets for itself."""
    record: list[object] = []
    monkeypatch.setattr(workers, "ProcessPool", Pool)
    monkeypatch.setattr(workers, "_get_predictor", functools.cache(FakePredictor))
    monkeypatch.setattr(signal, "signal", lambda *arguments: record.append(arguments))
    monkeypatch.setattr(torch, "set_num_threads", record.append)
    return record


def photo(grey: int, edge: int = 40) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (edge, edge), (grey, grey, grey)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.usefixtures("settings")
def test_left_photo_is_passed_as_the_left_one() -> None:
    pool = WorkerPool(1, 2.5)
    photos = {"left": photo(200), "right": photo(100)}
    assert pool.predict(**photos).result() == Prediction(NOT_SURE_VERDICT, 1.0, (), ())
    assert pool.predict(photos["right"], photos["left"]).result() == Prediction(NOT_SURE_VERDICT, 0.0, (), ())


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("left", "right", "side", "reason"),
    [
        (b"GIF89a", photo(1), "left", "not a PNG, JPEG or WebP image"),
        (photo(1), b"", "right", "cannot be decoded (the file is empty)"),
        (b"", b"GIF89a", "left", "cannot be decoded (the file is empty)"),
        (photo(1), photo(1, 65), "right", "65 x 65 pixels, expected 0 million at most"),
    ],
)
def test_photo_that_cannot_be_used_is_named_the_left_one_first(
    monkeypatch: pytest.MonkeyPatch, left: bytes, right: bytes, side: str, reason: str
) -> None:
    monkeypatch.setattr(workers, "MAX_PIXELS", 64 * 64)
    result = WorkerPool(1, 2.5).predict(left, right).result()
    assert isinstance(result, UnusablePhoto)
    assert (result.side, reason in result.reason) == (side, True), result.reason


def test_process_ignores_ctrl_c_uses_one_thread_and_has_a_time_limit(settings: list[object]) -> None:
    worker_pool = WorkerPool(3, 2.5)
    assert isinstance(worker_pool.pool, Pool)
    assert settings == [], "a process sets this, not the server"
    worker_pool.wait_until_ready()
    assert settings == [(signal.SIGINT, signal.SIG_IGN), 1]
    worker_pool.predict(photo(1), photo(2))
    worker_pool.close()
    assert worker_pool.pool.events == [3, {}, {"timeout": 2.5}, "stop", "join"]


def test_predictor_that_cannot_be_loaded_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch, settings: list[object]
) -> None:
    def missing() -> FakePredictor:
        text = "no model"
        raise LookupError(text)

    monkeypatch.setattr(workers, "_get_predictor", missing)
    with pytest.raises(LookupError, match="no model"):
        WorkerPool(1, 2.5).wait_until_ready()
    assert len(settings) == 2
