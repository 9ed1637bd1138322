"""Upload of the two photos of a request into memory: bounded, and never on disk.

Starlette's parser writes files above one megabyte to a temporary file. This one keeps them in memory, since a request
is cut off above twice the size of a photo. The rest of a refused request is read and discarded up to a limit, since a
browser reads no answer before it has sent everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from shoepair.commands.serving.workers import SHOE_NAMES

MAX_PHOTO_MEGABYTES = 20
MAX_PHOTO_BYTES = MAX_PHOTO_MEGABYTES * 2**20
FRAMING_BYTES = 2**16  # bytes of a request besides the photos: boundaries, names
MAX_BODY_BYTES = 2 * MAX_PHOTO_BYTES + FRAMING_BYTES
MAX_DISCARDED_BYTES = 5 * MAX_BODY_BYTES  # bytes of a refused request that are read and discarded
BUSY_MESSAGE = "Too many requests at this moment. Wait a few seconds, then try again."
STALLED_MESSAGE = "The photos did not arrive: the connection is too slow, or broke. Try again, or use smaller photos."
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it would log uploaded bytes


@dataclass(eq=False)
class RequestError(Exception):
    """A request that is answered with an error instead of a verdict."""

    status: int  # of HTTP
    message: str  # why, and what to do
    side: str = ""  # side of the photo concerned; "" if none

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False)
class UploadMemory:
    """Counts what uploads hold in memory. A slow one holds little, so it does not keep others from being read."""

    max_bytes: int  # of all together
    sizes: dict[Request, int] = field(default_factory=dict)  # of each upload, as far as it has arrived

    def add(self, request: Request, count: int) -> None:
        """Count bytes that have arrived; raise RequestError if an upload, or all together, are too large."""
        self.sizes[request] = self.sizes.get(request, 0) + count
        if self.sizes[request] > MAX_BODY_BYTES:
            message = f"The photos are too large: {MAX_PHOTO_MEGABYTES} megabytes each at most. Use smaller ones."
            raise RequestError(413, message)
        if sum(self.sizes.values()) > self.max_bytes:
            raise RequestError(503, BUSY_MESSAGE)

    def release(self, request: Request) -> None:
        """Forget an upload that is no longer in memory."""
        self.sizes.pop(request, None)


class _InMemoryParser(MultiPartParser):
    """A parser whose files stay in memory, whatever their size."""

    spool_max_size = 0  # of tempfile.SpooledTemporaryFile: 0 never moves it to disk


async def read_photos(request: Request, memory: UploadMemory, stall_seconds: float) -> dict[str, bytes]:
    """Read the left and the right photo of a multipart form into memory, which the caller releases.

    Args:
        request: whose form it is.
        memory: counts the bytes.
        stall_seconds: that an upload may pause.

    Returns:
        The bytes of `left` and `right`; of one of them, if the form's field `look` names it.

    Raises:
        RequestError: the request is too large, not a form, or lacks a photo; there is no memory for it; or it stops.
    """
    body = request.stream()
    try:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise RequestError(415, "Expected a form with two photos.")
        counted = _count_body(body, request, memory, stall_seconds)
        form = await _InMemoryParser(request.headers, counted, max_files=2, max_fields=2).parse()
    except RequestError:
        memory.release(request)
        await discard_body(body)
        raise
    except (MultiPartException, ValueError):  # ValueError: an unknown charset
        memory.release(request)
        await discard_body(body)
        raise RequestError(400, "The form could not be read. Reload this page and choose both photos.") from None
    try:
        look = form.get("look")
        sides = [look] if isinstance(look, str) and look in SHOE_NAMES else list(SHOE_NAMES)
        return {side: _photo_bytes(form.get(side), side) for side in sides}
    finally:
        await form.close()


def _photo_bytes(upload: UploadFile | str | None, side: str) -> bytes:
    content = upload.file.read() if isinstance(upload, UploadFile) else b""
    if not content:
        raise RequestError(400, f"The photo of {SHOE_NAMES[side]} is missing. Take or choose one.", side)
    if len(content) > MAX_PHOTO_BYTES:
        message = f"The photo of {SHOE_NAMES[side]} has more than {MAX_PHOTO_MEGABYTES} megabytes. Use a smaller one."
        raise RequestError(413, message, side)
    return content


async def _count_body(
    body: AsyncGenerator[bytes, None], request: Request, memory: UploadMemory, stall_seconds: float
) -> AsyncGenerator[bytes, None]:
    """Yield the body and count it; raise RequestError where it is too large, or stops."""
    while True:
        try:
            async with asyncio.timeout(stall_seconds):
                chunk = await anext(body, None)
        except TimeoutError:
            raise RequestError(408, STALLED_MESSAGE) from None
        if chunk is None:
            return
        memory.add(request, len(chunk))
        yield chunk


async def discard_body(body: AsyncGenerator[bytes, None]) -> None:
    """Read and discard the rest of a request body, up to `MAX_DISCARDED_BYTES` bytes."""
    count = 0
    async for chunk in body:
        count += len(chunk)
        if count > MAX_DISCARDED_BYTES:
            return
