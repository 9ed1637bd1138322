"""Workers: what a process does, done by this one."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.field import EDGE

from benchmarks.costly_photos import make_jpeg
from shoepair.commands.serving import workers
from shoepair.commands.serving.predictor import NOT_SURE_VERDICT, Prediction, ShoePhoto
from shoepair.commands.serving.workers import UnusablePhoto, Worker, WorkerDiedError
from shoepair.ingestion import decoding
from shoepair.runtime import interruption
from shoepair.runtime.errors import ShoepairError

ANSWER = Prediction(NOT_SURE_VERDICT, 1.0, (), ())


class FakePredictor:
    """Returns whether the left one of two plain photos is the lighter one."""

    detector = None

    def prepare_photo(self, source: Path | bytes, max_pixels: int) -> ShoePhoto:
        return ShoePhoto(decoding.decode_photo(source, EDGE, max_pixels).pixels)

    def predict(self, left: ShoePhoto, right: ShoePhoto) -> Prediction:
        return Prediction(NOT_SURE_VERDICT, float(left.pixels.mean() > right.pixels.mean()), (), ())


@pytest.fixture(autouse=True)
def _predictor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker would do to this process, it does not."""
    monkeypatch.setattr(workers, "load_predictor", FakePredictor)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: {1: None}[count])


def photo(grey: int, edge: int = 40) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (edge, edge), (grey, grey, grey)).save(file, "PNG")
    return file.getvalue()


def run_worker(*pairs: tuple[bytes | ShoePhoto, bytes | ShoePhoto]) -> list[Any]:
    """Run a worker in this process until its pipe ends, and return what it sends."""
    ours, theirs = multiprocessing.Pipe()
    for pair in pairs:
        ours.send(dict(zip(("left", "right"), pair, strict=True)))
    with socket.socket(fileno=os.dup(ours.fileno())) as half:
        half.shutdown(socket.SHUT_WR)
    with contextlib.suppress(SystemExit):
        workers._run_worker(theirs)
    theirs.close()
    messages = []
    while ours.poll():
        try:
            messages.append(ours.recv())
        except EOFError:
            break
    return messages


def test_left_photo_is_passed_as_the_left_one() -> None:
    light, dark = photo(200), photo(100)
    lighter, darker = (Prediction(NOT_SURE_VERDICT, score, (), ()) for score in (1.0, 0.0))
    assert run_worker((light, dark), (dark, light)) == [None, lighter, darker]


def test_photo_that_was_prepared_before_is_not_prepared_again() -> None:
    light = ShoePhoto(np.full((EDGE, EDGE, 3), 200, np.uint8))
    _, answer = run_worker((light, photo(100)))
    assert answer == Prediction(NOT_SURE_VERDICT, 1.0, (), ())


def test_single_photo_is_looked_at() -> None:
    ours, theirs = multiprocessing.Pipe()
    for photos in ({"left": photo(9)}, {"right": b"%PDF-1.7"}):
        ours.send(photos)
    with socket.socket(fileno=os.dup(ours.fileno())) as half:
        half.shutdown(socket.SHUT_WR)
    workers._run_worker(theirs)
    _, seen, unusable = (ours.recv() for _ in range(3))
    sentence = "The photo of the left shoe is good: sharp, and bright enough."
    assert seen.to_dict() == {"side": "left", "is_good": True, "sentence": sentence}
    assert (seen.photo.pixels == 9).all()
    assert unusable == UnusablePhoto("right", "is a PDF document; take a photo of the shoe with the camera")


@pytest.mark.parametrize(
    ("left", "right", "side", "reason"),
    [
        (b"GIF89a", photo(1), "left", "is an animation or a drawing; take a photo"),
        (photo(1), b"", "right", "is damaged or did not arrive whole"),
        (b"", b"GIF89a", "left", "is damaged or did not arrive whole"),
        (photo(1), make_jpeg(8_000, 2000, 1500), "right", "asks for too much work; save it again as a plain JPEG"),
        (photo(1), photo(1, 65), "right", "has too many pixels; send it smaller"),
    ],
)
def test_photo_that_cannot_be_used_is_named_the_left_one_first(
    monkeypatch: pytest.MonkeyPatch, left: bytes, right: bytes, side: str, reason: str
) -> None:
    monkeypatch.setattr(workers, "MAX_PIXELS", 64 * 64)
    _, result = run_worker((left, right))
    assert isinstance(result, UnusablePhoto)
    assert (result.side, reason in result.reason) == (side, True), result.reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "MemoryError"),
        (RuntimeError("DefaultCPUAllocator:\n no memory"), "RuntimeError DefaultCPUAllocator: no memory"),
        (ShoepairError("no model", fix="train one"), "ShoepairError no model train one"),
    ],
)
@pytest.mark.parametrize("name", ["load_predictor", "_predict"])
def test_worker_that_cannot_go_on_says_why_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, text: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(workers, name, fail)
    *_, death = run_worker(*([(b"", b"")] if name == "_predict" else []))
    assert isinstance(death, WorkerDiedError)
    assert str(death) == text


class ThreadContext:
    """Starts threads instead of processes; `exitcode` is what one of them ends with."""

    Pipe = staticmethod(multiprocessing.Pipe)
    exitcode: int | None = 1

    def Process(self, target: Callable[[Connection], None], args: tuple[Connection], daemon: bool) -> Any:  # noqa: N802
        ours = Connection(os.dup(args[0].fileno()))  # as a process gets it: the other one is closed here

        def run() -> None:
            with ours:
                target(ours)

        thread: Any = threading.Thread(target=run, daemon=daemon)
        thread.exitcode = self.exitcode
        return thread


def test_worker_is_started_when_its_model_is_loaded_and_then_answers() -> None:
    worker = Worker(ThreadContext())
    worker.start()
    assert worker.predict({"left": photo(200), "right": photo(100)}) == ANSWER
    worker.connection.close()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-signal.SIGKILL, "killed by SIGKILL, perhaps for want of memory"),
        (-signal.SIGSEGV, "killed by SIGSEGV"),
        (3, "exit status 3"),
        (None, "exit status None"),
    ],
)
def test_death_is_described(monkeypatch: pytest.MonkeyPatch, code: int | None, text: str) -> None:
    context = ThreadContext()
    context.exitcode = code
    monkeypatch.setattr(workers, "_run_worker", lambda connection: connection.send(None))
    worker = Worker(context)
    worker.start()
    with pytest.raises(WorkerDiedError) as death:
        worker.predict({"left": b"", "right": b""})
    assert str(death.value) == text == str(worker.explain_death())


@pytest.mark.parametrize("error", [OSError(11, "Resource temporarily unavailable"), EOFError()])
def test_process_that_cannot_be_started_is_a_death(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_: threading.Thread) -> None:
        raise error

    monkeypatch.setattr(threading.Thread, "start", fail)
    worker = Worker(ThreadContext())
    with pytest.raises(WorkerDiedError, match=r"^no new process: "):
        worker.start()
    worker.kill()


def test_workers_are_started_with_ctrl_c_and_term_blocked() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with interruption.block_signals(signal.SIGINT, signal.SIGTERM):
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | {signal.SIGINT, signal.SIGTERM}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
