"""The two photos of a request: they arrive whatever they hold, or are refused; none of it reaches a disk."""

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
from shoepair.commands.serving.uploads import RefusedError

BOUNDARY = "--shoes"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, content: bytes, file: bool = True) -> bytes:
    named = '; filename="p.jpg"\r\nContent-Type: image/jpeg' if file else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"


def form(left: bytes, right: bytes) -> bytes:
    return part("left", left) + part("right", right) + f"--{BOUNDARY}--\r\n".encode()


class Sender:
    """Sends a request in pieces, and counts those that were taken."""

    def __init__(self, pieces: Iterable[bytes], kind: str = FORM) -> None:
        self.pieces = list(pieces)
        self.taken = 0
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", kind.encode())]}
        self.request = Request(scope, self.receive)

    async def receive(self) -> Message:
        piece = self.pieces[self.taken]
        self.taken += 1
        return {"type": "http.request", "body": piece, "more_body": self.taken < len(self.pieces)}


def read(body: bytes, size: int = 1000, kind: str = FORM) -> dict[str, bytes]:
    """What comes of a body that is sent in pieces of a size."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return asyncio.run(uploads.read(Sender(pieces or [b""], kind).request))


def refused(body: bytes, kind: str = FORM) -> tuple[int, str, str]:
    with pytest.raises(RefusedError) as error:
        read(body, kind=kind)
    assert str(error.value) == error.value.text
    return error.value.status, error.value.text, error.value.field


ODD = st.sampled_from([b"\r\n", b"--", b"\r\n--", f"\r\n--{BOUNDARY}".encode()[:-1], b"\0"])


@settings(max_examples=40, deadline=None)
@given(left=st.lists(st.binary(max_size=20) | ODD, min_size=1), right=st.binary(min_size=1), size=st.integers(1, 70))
def test_photos_arrive_as_they_were_sent_however_the_request_is_cut(
    left: list[bytes], right: bytes, size: int
) -> None:
    wanted = {"left": b"".join(left) + b"!", "right": right}
    assert read(form(**wanted), size) == wanted


def test_photo_of_megabytes_never_reaches_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_disk(*_: object, **__: object) -> None:
        pytest.fail("a temporary file")

    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, on_disk)
    photo = bytes(3 * 2**20)
    assert read(form(photo, b"x"), 2**16) == {"left": photo, "right": b"x"}


def test_photo_may_be_as_large_as_the_limit_and_no_byte_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PHOTO", 100)
    assert len(read(form(bytes(100), bytes(100)))["right"]) == 100
    for left, right, field in ((101, 100, "left"), (100, 101, "right"), (101, 101, "left")):
        assert refused(form(bytes(left), bytes(right))) == (
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
    assert refused(body) == (400, f"The photo of the {field} shoe is missing. Take or choose one.", field)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (form(b"a", b"b"), "multipart/form-data"),
        (form(b"a", b"b"), f"{FORM}; charset=a\0b"),
        (b"no form at all", FORM),
        (part("more", b"c") + form(b"a", b"b"), FORM),
        (3 * part("more", b"c", file=False) + form(b"a", b"b"), FORM),
    ],
    ids=["no boundary", "charset", "no form", "three files", "three fields"],
)
def test_form_that_cannot_be_read_is_refused_in_words(body: bytes, kind: str) -> None:
    assert refused(body, kind) == (
        400,
        "The form could not be read. Load this page again, and choose both photos.",
        "",
    )


def cut_off(monkeypatch: pytest.MonkeyPatch, pieces: int, kind: str = FORM) -> tuple[RefusedError, int]:
    """What is said of a photo in so many pieces of ten bytes, of which three fit, and how many of them are taken."""
    monkeypatch.setattr(uploads, "BODY", 30)
    monkeypatch.setattr(uploads, "PATIENCE", 50)
    body = part("left", bytes(10 * pieces))
    sender = Sender([body[10 * place : 10 * place + 10] for place in range(pieces)], kind)
    with pytest.raises(RefusedError) as error:
        asyncio.run(uploads.read(sender.request))
    return error.value, sender.taken


@pytest.mark.parametrize(("pieces", "taken"), [(4, 4), (9, 9), (30, 10)])
def test_request_beyond_the_limit_is_waited_for_a_while_and_then_cut_off(
    monkeypatch: pytest.MonkeyPatch, pieces: int, taken: int
) -> None:
    error, count = cut_off(monkeypatch, pieces)
    assert (error.status, error.field) == (413, "")
    assert error.text == "The photos are too large: 20 megabytes each at most. Use smaller ones."
    assert count == taken


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize(("pieces", "taken"), [(4, 4), (30, 6)])
def test_what_claims_to_be_no_form_is_refused_after_a_while_too(
    monkeypatch: pytest.MonkeyPatch, kind: str, pieces: int, taken: int
) -> None:
    error, count = cut_off(monkeypatch, pieces, kind)
    assert (error.status, error.field) == (415, "")
    assert error.text == "This address takes a form with two photos, and nothing else."
    assert count == taken
