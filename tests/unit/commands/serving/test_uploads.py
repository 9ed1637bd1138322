"""Upload of two photos: they arrive unchanged or are refused, and never reach a disk."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette", reason="the extra `serve` is not installed")
pytest.importorskip("python_multipart", reason="the extra `serve` is not installed")

from starlette.requests import Request
from starlette.types import Message

from shoepair.commands.serving import uploads
from shoepair.commands.serving.uploads import RequestError, UploadMemory

BOUNDARY = "--shoes"
STALL = 60.0  # seconds
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, content: bytes, file: bool = True) -> bytes:
    named = '; filename="p.jpg"\r\nContent-Type: image/jpeg' if file else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"


def form(left: bytes, right: bytes) -> bytes:
    return part("left", left) + part("right", right) + f"--{BOUNDARY}--\r\n".encode()


class Sender:
    """Sends a request in chunks, and counts those that were read."""

    def __init__(self, chunks: Iterable[bytes], content_type: str = FORM) -> None:
        self.chunks = list(chunks)
        self.read_chunks = 0
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", content_type.encode())]}
        self.request = Request(scope, self.receive)

    async def receive(self) -> Message:
        chunk = self.chunks[self.read_chunks]
        self.read_chunks += 1
        return {"type": "http.request", "body": chunk, "more_body": self.read_chunks < len(self.chunks)}


def read(
    body: bytes, size: int = 1000, content_type: str = FORM, memory: UploadMemory | None = None
) -> dict[str, bytes]:
    """Return the photos of a body that is sent in chunks of a size."""
    memory = memory or UploadMemory(uploads.MAX_BODY_BYTES)
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    return asyncio.run(uploads.read_photos(Sender(chunks or [b""], content_type).request, memory, STALL))


def refusal(body: bytes, content_type: str = FORM) -> tuple[int, str, str]:
    with pytest.raises(RequestError) as error:
        read(body, content_type=content_type)
    assert str(error.value) == error.value.message
    return error.value.status, error.value.message, error.value.side


ODD = st.sampled_from([b"\r\n", b"--", b"\r\n--", f"\r\n--{BOUNDARY}".encode()[:-1], b"\0"])


@settings(max_examples=40, deadline=None)
@given(left=st.lists(st.binary(max_size=20) | ODD, min_size=1), right=st.binary(min_size=1), size=st.integers(1, 70))
def test_photos_arrive_as_they_were_sent_however_the_request_is_cut(
    left: list[bytes], right: bytes, size: int
) -> None:
    expected = {"left": b"".join(left) + b"!", "right": right}
    assert read(form(**expected), size) == expected


def test_photo_of_megabytes_never_reaches_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_disk(*_: object, **__: object) -> None:
        pytest.fail("a temporary file")

    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, on_disk)
    photo = bytes(3 * 2**20)
    assert read(form(photo, b"x"), 2**16) == {"left": photo, "right": b"x"}


def test_photo_may_be_as_large_as_the_limit_and_no_byte_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_PHOTO_BYTES", 100)
    assert len(read(form(bytes(100), bytes(100)))["right"]) == 100
    for left, right, field in ((101, 100, "left"), (100, 101, "right"), (101, 101, "left")):
        assert refusal(form(bytes(left), bytes(right))) == (
            413,
            f"The photo of the {field} shoe has more than 20 megabytes. Use a smaller one.",
            field,
        )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (part("left", b"x") + b"----shoes--\r\n", "right"),
        (form(b"", b"x"), "left"),
        (part("left", b"x", file=False) + part("right", b"x") + b"----shoes--\r\n", "left"),
        (part("LEFT", b"x") + part("right", b"x") + b"----shoes--\r\n", "left"),
        (b"----shoes--\r\n", "left"),
    ],
    ids=["one alone", "empty", "words", "another name", "nothing"],
)
def test_photo_that_is_missing_is_named(body: bytes, field: str) -> None:
    assert refusal(body) == (400, f"The photo of the {field} shoe is missing. Take or choose one.", field)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(b"a", b"b"), "multipart/form-data"),
        (form(b"a", b"b"), f"{FORM}; charset=a\0b"),
        (b"no form at all", FORM),
        (part("more", b"c") + form(b"a", b"b"), FORM),
        (3 * part("more", b"c", file=False) + form(b"a", b"b"), FORM),
    ],
    ids=["no boundary", "charset", "no form", "three files", "three fields"],
)
def test_form_that_cannot_be_read_is_refused_in_words(body: bytes, content_type: str) -> None:
    assert refusal(body, content_type) == (
        400,
        "The form could not be read. Reload this page and choose both photos.",
        "",
    )


def send_too_much(monkeypatch: pytest.MonkeyPatch, chunks: int, content_type: str = FORM) -> tuple[RequestError, int]:
    """Send a photo in chunks of ten bytes, of which three fit; return the error and the number of chunks read."""
    monkeypatch.setattr(uploads, "MAX_BODY_BYTES", 30)
    monkeypatch.setattr(uploads, "MAX_DISCARDED_BYTES", 50)
    body = part("left", bytes(10 * chunks))
    sender = Sender([body[10 * number : 10 * number + 10] for number in range(chunks)], content_type)
    with pytest.raises(RequestError) as error:
        asyncio.run(uploads.read_photos(sender.request, UploadMemory(99), STALL))
    return error.value, sender.read_chunks


@pytest.mark.parametrize(("chunks", "read_chunks"), [(4, 4), (9, 9), (30, 10)])
def test_request_beyond_the_limit_is_discarded_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, chunks: int, read_chunks: int
) -> None:
    error, count = send_too_much(monkeypatch, chunks)
    assert (error.status, error.side) == (413, "")
    assert error.message == "The photos are too large: 20 megabytes each at most. Use smaller ones."
    assert count == read_chunks


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize(("chunks", "read_chunks"), [(4, 4), (30, 6)])
def test_request_that_is_not_a_form_is_discarded_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, content_type: str, chunks: int, read_chunks: int
) -> None:
    error, count = send_too_much(monkeypatch, chunks, content_type)
    assert (error.status, error.side) == (415, "")
    assert error.message == "Expected a form with two photos."
    assert count == read_chunks


def test_uploads_share_their_memory_as_far_as_they_have_arrived() -> None:
    memory = UploadMemory(1000)
    body = form(bytes(300), b"x")
    assert len(body) < 1000 < 2 * len(body)
    first = read(body, 100, memory=memory)
    with pytest.raises(RequestError) as error:
        read(body, 100, memory=memory)
    assert (error.value.status, error.value.message) == (503, uploads.BUSY_MESSAGE)
    (request,) = memory.sizes
    assert memory.sizes[request] == len(body), "that of the refused one is released"
    memory.release(request)
    assert read(body, 100, memory=memory) == first


@pytest.mark.parametrize("body", [b"no form", form(bytes(2000), b"x")])
def test_upload_that_is_refused_holds_no_memory(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(uploads, "MAX_BODY_BYTES", 1500)
    memory = UploadMemory(10**6)
    with pytest.raises(RequestError):
        read(body, 100, memory=memory)
    assert memory.sizes == {}


def test_single_photo_may_be_looked_at() -> None:
    only = part("left", b"photo") + part("look", b"left", file=False) + f"--{BOUNDARY}--\r\n".encode()
    assert read(only) == {"left": b"photo"}
    other = part("left", b"photo") + part("look", b"elsewhere", file=False) + f"--{BOUNDARY}--\r\n".encode()
    assert refusal(other)[2] == "right", "both are expected"


def test_upload_that_stops_is_given_up_and_a_slow_one_is_not() -> None:
    class Slow(Sender):
        async def receive(self) -> Message:
            await asyncio.sleep(60 if self.read_chunks == len(self.chunks) - 1 and self.stops else 0.001)
            return await super().receive()

        stops = False

    body = form(b"a", b"b")
    chunks = [body[start : start + 20] for start in range(0, len(body), 20)]
    slow = Slow(chunks)
    assert asyncio.run(uploads.read_photos(slow.request, UploadMemory(9999), 0.2)) == {"left": b"a", "right": b"b"}
    stopped = Slow(chunks)
    stopped.stops = True
    with pytest.raises(RequestError, match="did not arrive") as error:
        asyncio.run(uploads.read_photos(stopped.request, UploadMemory(9999), 0.2))
    assert error.value.status == 408
