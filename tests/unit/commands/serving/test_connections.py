"""Limits on connections: a small application behind the protocol, with odd, slow and many clients."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import pytest

pytest.importorskip("starlette", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from shoepair.commands.serving.connections import (
    MAX_CONNECTIONS,
    MAX_HEADER_BYTES,
    BoundedProtocol,
    ConnectionLimits,
    limit_connections,
)

SHORT, LONG = 0.15, 30.0  # seconds: a limit that a test waits for; one that it never reaches
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET at once, and POST with its body; `/slow` takes a while, `/large` is large."""
    request = Request(scope, receive)
    text = (await request.body()).decode() if request.method == "POST" else "page"
    if request.url.path == "/slow":
        await asyncio.sleep(3 * SHORT)
    if request.url.path == "/held":
        await scope["state"]["released"].wait()
    size = 2**22 if request.url.path == "/large" else 1
    await PlainTextResponse(f"<{text}>" * size)(scope, receive, send)


def serving(**changes: float) -> AbstractAsyncContextManager[tuple[Connect, ServerState]]:
    """Return a context that gives how to connect to the application, and the state of its server."""
    return serving_until(asyncio.Event(), changes)


@asynccontextmanager
async def serving_until(
    released: asyncio.Event, changes: dict[str, float]
) -> AsyncIterator[tuple[Connect, ServerState]]:
    """Yield the same; the application holds requests of `/held` until the event."""
    limits = ConnectionLimits(**{"exchange_seconds": LONG, "header_seconds": LONG} | changes)  # type: ignore[arg-type]
    state = ServerState()
    config = uvicorn.Config(echo, log_level="error", access_log=False, ws="none")
    protocol = partial(BoundedProtocol, config, state, {"released": released}, limits=limits)
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        return reader, writer

    try:
        async with asyncio.timeout(LONG):
            yield connect, state
    finally:
        for writer in opened:
            writer.close()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        while state.connections or state.tasks:
            await asyncio.sleep(0.01)


async def read_until_closed(reader: asyncio.StreamReader) -> bytes:
    """Return what the server sends before it closes the connection."""
    received = b""
    try:
        while piece := await reader.read(2**20):
            received += piece
    except ConnectionError:
        pass  # closed with data of ours that it had not read
    return received


async def ask(connect: Connect, request: bytes = GET) -> bytes:
    """Send a request on a connection of its own and return the first line of the response."""
    reader, writer = await connect()
    writer.write(request)
    return await reader.readline()


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
END = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ([GET + END], [200, 200]),
        ([GET, END], [200, 200]),
        ([POST + b"\r\nabcd" + GET + END], [200, 200, 200]),
        ([END[:20], END[20:-1], END[-1:]], [200]),
        ([b"GET / HTTP/1.0\r\n\r\n"], [200]),
        ([b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"], [200]),
        ([b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"], [200]),
        ([POST + b"Expect: 100-continue\r\nConnection: close\r\n\r\n", b"abcd"], [100, 200]),
        ([POST + b"Connection: close\r\n\r\n", b"a", b"b", b"c", b"d"], [200]),
        ([POST + b"Content-Length: 5\r\n\r\nabcde"], [400]),
        ([b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"], [400]),
        ([b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1" + 30 * b"0" + b"\r\n\r\n"], [400]),
        ([CHUNKED + b"1\r\na\r\n0\r\n\r\n"], [400]),
        ([CHUNKED, *(20 * [b"1\r\na\r\n"])], [400]),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\nabcd"], [400]),
        ([b"GET / HTTP/1.1\r\nHost: x\r\n" + 10**5 * b"a:\r\n" + b"\r\n"], [400]),
        ([b"GET / HTTP/1.1\r\nHost: x\r\na: " + 10**6 * b"b" + b"\r\n\r\n"], [400]),
        ([b"GET /" + 10**5 * b"a" + b" HTTP/1.1\r\nHost: x\r\n\r\n"], [400]),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)], [400]),
        ([bytes(10**5)], [400]),
        ([b"\r\n\r\n"], [400]),
        ([b"SSH-2.0-x\r\n\r\n"], [400]),
        ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], [200, 400]),
        ([b"GET / HTTP/1.1\r\n\r\n"], [400]),
        ([UPGRADE, END], [200, 200]),
        ([b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"], [200]),
    ],
)
def test_odd_request_is_answered_and_costs_nobody_else(
    caplog: pytest.LogCaptureFixture, pieces: list[bytes], statuses: list[int]
) -> None:
    async def check() -> None:
        async with serving() as (connect, _):
            reader, writer = await connect()
            received = asyncio.create_task(read_until_closed(reader))
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.01)
            responses = (await received).split(b"HTTP/1.1 ")[1:]
            assert [int(response[:3]) for response in responses] == statuses
            assert await ask(connect) == b"HTTP/1.1 200 OK\r\n"

    asyncio.run(check())
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("request_bytes", "trickle", "limits"),
    [
        (b"", b"", {"header_seconds": SHORT}),
        (b"GET / HTTP/1.1\r\nX-", b"a", {"header_seconds": SHORT}),
        (GET, b"", {"header_seconds": SHORT}),
        (GET + b"GET / HT", b"", {"header_seconds": SHORT}),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", b"a", {"exchange_seconds": SHORT}),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", b"a", {"exchange_seconds": SHORT}),
    ],
    ids=["nothing", "header", "idle", "second header", "body", "body of a page"],
)
def test_client_that_is_late_is_closed_and_single_bytes_gain_no_time(
    request_bytes: bytes, trickle: bytes, limits: dict[str, float]
) -> None:
    async def check() -> None:
        async with serving(**limits) as (connect, state):
            _, writer = await connect()
            writer.write(request_bytes)
            while not state.connections:
                await asyncio.sleep(0)
            while state.connections:  # ends, since the server closes
                writer.write(trickle)
                await asyncio.sleep(SHORT / 20)

    asyncio.run(check())


@pytest.mark.parametrize("path", [b"/large", b"/"])
def test_client_that_does_not_read_is_closed(path: bytes) -> None:
    async def check() -> None:
        async with serving(exchange_seconds=SHORT, header_seconds=SHORT) as (connect, state):
            reader, writer = await connect()
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(3 * GET.replace(b"/ ", path + b" "))
            while not state.connections:
                await asyncio.sleep(0)
            while state.connections or state.tasks:
                await asyncio.sleep(SHORT / 20)

    asyncio.run(check())


def test_limit_of_the_header_does_not_end_an_answer_that_takes_longer() -> None:
    async def check() -> None:
        async with serving(header_seconds=SHORT) as (connect, _):
            assert await ask(connect, GET.replace(b"/ ", b"/slow ")) == b"HTTP/1.1 200 OK\r\n"

    asyncio.run(check())


@pytest.mark.parametrize(
    "slow", [b"GET / HTTP/1.1\r\nX-", POST + b"\r\na", b"", GET], ids=["header", "body", "", "idle"]
)
@pytest.mark.parametrize("limits", [{"total": 5}, {"per_address": 5}], ids=["in all", "of one address"])
def test_slowest_of_too_many_gives_way(slow: bytes, limits: dict[str, float]) -> None:
    async def check() -> None:
        async with serving(**limits) as (connect, state):
            clients = []
            for _ in range(40):
                clients.append(await connect())
                clients[-1][1].write(slow)
                await asyncio.sleep(0.002)
            for reader, _ in clients[:30]:
                await read_until_closed(reader)  # the later ones may have overtaken each other
            assert await ask(connect) == b"HTTP/1.1 200 OK\r\n"
            assert len(state.connections) <= 5


def test_client_whose_request_is_answered_never_gives_way() -> None:
    async def check() -> None:
        released = asyncio.Event()
        async with serving_until(released, {"per_address": 2}) as (connect, state):
            asked = [asyncio.create_task(ask(connect, GET.replace(b"/ ", b"/held "))) for _ in range(2)]
            while len(state.tasks) < 2:
                await asyncio.sleep(0.01)
            reader, _ = await connect()
            assert await read_until_closed(reader) == b"", "the newest one is closed instead"
            released.set()
            assert await asyncio.gather(*asked) == 2 * [b"HTTP/1.1 200 OK\r\n"]

    asyncio.run(check())


@pytest.mark.parametrize("request_bytes", [GET, POST + b"\r\nabcd", POST.replace(b"/ ", b"/slow ") + b"\r\nabcd"])
def test_client_that_ends_its_half_of_the_connection_gets_its_answer(request_bytes: bytes) -> None:
    async def check() -> None:
        async with serving() as (connect, _):
            reader, writer = await connect()
            writer.write(request_bytes)
            writer.write_eof()
            response = await read_until_closed(reader)
            assert response.startswith(b"HTTP/1.1 200 OK\r\n")
            assert response.endswith(b">")

    asyncio.run(check())


@pytest.mark.parametrize("request_bytes", [b"", GET[:-2], POST + b"\r\nabc"], ids=["nothing", "header", "body"])
def test_client_that_ends_its_half_in_the_middle_is_closed(request_bytes: bytes) -> None:
    async def check() -> None:
        async with serving() as (connect, state):
            reader, writer = await connect()
            writer.write(request_bytes)
            writer.write_eof()
            await read_until_closed(reader)
            while state.connections or state.tasks:
                await asyncio.sleep(0.01)

    asyncio.run(check())


def test_requests_sent_while_one_is_answered_are_not_stored() -> None:
    async def check() -> None:
        async with serving() as (connect, _):
            reader, writer = await connect()
            writer.write(GET.replace(b"/ ", b"/slow "))
            await asyncio.sleep(SHORT)
            writer.write(100 * MAX_HEADER_BYTES * b"a")
            assert (await read_until_closed(reader)).count(b"HTTP/1.1 ") == 1

    asyncio.run(check())


@pytest.mark.parametrize(
    ("descriptors", "total"), [(256, 128), (1024, 512), (10**6, 512), (resource.RLIM_INFINITY, 512)]
)
def test_connections_leave_file_descriptors_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, total: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    limits, accepted_at_once = limit_connections(LONG)
    assert limits.exchange_seconds == LONG
    assert limits.total == total <= MAX_CONNECTIONS
    assert limits.per_address <= total
    assert 4 * accepted_at_once <= total / 2, "a quarter of the descriptors stays free, for four rounds"
