"""The two photos of a request, read into memory: bounded, and never on disk.

Starlette's own parser puts files above one megabyte into a temporary file. This one keeps them, which it can: a
request is cut off above twice the size of a photo. What comes after the cut is thrown away as it comes, for a while,
since a browser hears no answer before it has sent everything.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from shoepair.commands.serving.workers import SHOES

MEGABYTES = 20  # of a photo
PHOTO = MEGABYTES * 2**20
FRAMING = 2**16  # bytes of a request that are no photo: boundaries, names
BODY = 2 * PHOTO + FRAMING
PATIENCE = 5 * BODY  # bytes of a refused request that are waited for
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it would log bytes of what was sent


@dataclass(eq=False)
class RefusedError(Exception):
    """A request that gets no verdict."""

    status: int  # of HTTP
    text: str  # why, and what to do, in plain words
    field: str = ""  # the photo that it is about; "" if none

    def __str__(self) -> str:
        return self.text


class _InMemory(MultiPartParser):
    """A parser whose files stay in memory, whatever their size."""

    spool_max_size = 0  # of tempfile.SpooledTemporaryFile: 0 means that size never moves it to disk


async def read(request: Request) -> dict[str, bytes]:
    """The photos of a form.

    Returns:
        `left` and `right`, as they were sent.

    Raises:
        RefusedError: the request is too large, no form, or lacks a photo.
    """
    body = request.stream()
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        await drain(body)
        raise RefusedError(415, "This address takes a form with two photos, and nothing else.")
    try:
        form = await _InMemory(request.headers, _bounded(body), max_files=2, max_fields=2).parse()
    except (MultiPartException, ValueError):  # ValueError: a charset that is none
        await drain(body)
        raise RefusedError(400, "The form could not be read. Load this page again, and choose both photos.") from None
    try:
        return {field: _photo(form.get(field), field) for field in SHOES}
    finally:
        await form.close()


def _photo(sent: UploadFile | str | None, field: str) -> bytes:
    content = sent.file.read() if isinstance(sent, UploadFile) else b""
    if not content:
        raise RefusedError(400, f"The photo of {SHOES[field]} is missing. Take or choose one.", field)
    if len(content) > PHOTO:
        text = f"The photo of {SHOES[field]} has more than {MEGABYTES} megabytes. Use a smaller one."
        raise RefusedError(413, text, field)
    return content


async def _bounded(body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The body, up to `BODY` bytes."""
    count = 0
    async for chunk in body:
        count += len(chunk)
        if count > BODY:
            await drain(body)
            raise RefusedError(413, f"The photos are too large: {MEGABYTES} megabytes each at most. Use smaller ones.")
        yield chunk


async def drain(body: AsyncGenerator[bytes, None]) -> None:
    """Throw away what is still to come of a request, up to `PATIENCE` bytes."""
    count = 0
    async for chunk in body:
        count += len(chunk)
        if count > PATIENCE:
            return
