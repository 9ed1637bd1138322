"""What the processes do that look at uploaded photos, done in this one."""

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
from shoepair.commands.serving.predictor import NOT_SURE, Answer, Shoe
from shoepair.commands.serving.workers import Unusable, Workers
from shoepair.ingestion import decode


class Judge:
    """Says whether the left one of two plain photos is the lighter one."""

    def prepare(self, source: Path | BinaryIO, most: int) -> Shoe:
        return Shoe(decode.decode_photo(source, EDGE, most).pixels)

    def judge(self, left: Shoe, right: Shoe) -> Answer:
        return Answer(NOT_SURE, float(left.pixels.mean() > right.pixels.mean()), (), ())


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
    """What a process sets for itself, noted down instead."""
    noted: list[object] = []
    monkeypatch.setattr(workers, "ProcessPool", Pool)
    monkeypatch.setattr(workers, "_judge", functools.cache(Judge))
    monkeypatch.setattr(signal, "signal", lambda *given: noted.append(given))
    monkeypatch.setattr(torch, "set_num_threads", noted.append)
    return noted


def photo(grey: int, edge: int = 40) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (edge, edge), (grey, grey, grey)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.usefixtures("settings")
def test_left_photo_is_judged_as_the_left_one() -> None:
    asked = Workers(1, 2.5)
    given = {"left": photo(200), "right": photo(100)}
    assert asked.look(**given).result() == Answer(NOT_SURE, 1.0, (), ())
    assert asked.look(given["right"], given["left"]).result() == Answer(NOT_SURE, 0.0, (), ())


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("left", "right", "field", "reason"),
    [
        (b"GIF89a", photo(1), "left", "not a PNG, JPEG or WebP image"),
        (photo(1), b"", "right", "cannot be decoded (the file is empty)"),
        (b"", b"GIF89a", "left", "cannot be decoded (the file is empty)"),
        (photo(1), photo(1, 65), "right", "65 x 65 pixels, expected 0 million at most"),
    ],
)
def test_photo_that_cannot_be_used_is_named_the_left_one_first(
    monkeypatch: pytest.MonkeyPatch, left: bytes, right: bytes, field: str, reason: str
) -> None:
    monkeypatch.setattr(workers, "PIXELS", 64 * 64)
    found = Workers(1, 2.5).look(left, right).result()
    assert isinstance(found, Unusable)
    assert (found.field, reason in found.reason) == (field, True), found.reason


def test_process_leaves_ctrl_c_to_the_server_takes_one_thread_and_has_a_limited_time(settings: list[object]) -> None:
    opened = Workers(3, 2.5)
    assert isinstance(opened.pool, Pool)
    assert settings == [], "a process sets this, not the server"
    opened.ready()
    assert settings == [(signal.SIGINT, signal.SIG_IGN), 1]
    opened.look(photo(1), photo(2))
    opened.close()
    assert opened.pool.events == [3, {}, {"timeout": 2.5}, "stop", "join"]


def test_judge_that_cannot_be_appointed_ends_the_wait(monkeypatch: pytest.MonkeyPatch, settings: list[object]) -> None:
    def missing() -> Judge:
        text = "no model"
        raise LookupError(text)

    monkeypatch.setattr(workers, "_judge", missing)
    with pytest.raises(LookupError, match="no model"):
        Workers(1, 2.5).ready()
    assert len(settings) == 2
