"""Limits on connections, so that slow or hostile clients cannot keep others from the page.

uvicorn limits neither the time for a header, a body or the reading of a response, nor who holds the connections; so do
hypercorn 0.18 (a limit for headers and idle connections only) and granian 2.8 (for headers only). Here every
connection has one deadline: for its next header, then for the rest of the exchange. Single bytes do not move it.

Where connections are too many, in all or from one address, the one that has made the server wait longest is closed.
Never one whose request is being answered: these are few. So a flood of slow connections cannot shut out a client who
sends its request at once, not even behind a proxy, where all have one address.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 512
MAX_PER_ADDRESS = 128
MAX_HEADER_BYTES = 2**14
HEADER_SECONDS = 10.0  # from the opening of a connection, or the last response, to the end of a header
RESPONSE_SECONDS = 10.0  # that a client may take to read a response


@dataclass(frozen=True)
class ConnectionLimits:
    """What connections may cost."""

    exchange_seconds: float  # from the end of a request's header to the end of its response
    header_seconds: float = HEADER_SECONDS
    total: int = MAX_CONNECTIONS
    per_address: int = MAX_PER_ADDRESS


def limit_connections(exchange_seconds: float) -> tuple[ConnectionLimits, int]:
    """Choose limits that this process has enough file descriptors for.

    Returns:
        The limits, and how many connections may be accepted in one round of the event loop.
    """
    descriptors = _count_descriptors()
    total = min(MAX_CONNECTIONS, descriptors // 2)
    # The event loop accepts again, several times, before it counts those accepted first or closes one.
    return ConnectionLimits(exchange_seconds, total=total, per_address=min(MAX_PER_ADDRESS, total)), total // 8


def _count_descriptors() -> int:
    """Return how many files this process may open; more than enough where the system has no limit."""
    try:
        import resource  # imported late: Windows has none
    except ImportError:
        return 4 * MAX_CONNECTIONS
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4 * MAX_CONNECTIONS if descriptors == resource.RLIM_INFINITY else descriptors


class _Parser(h11.Connection):
    """A parser of HTTP/1.1 that refuses bodies in chunks.

    No browser sends them; parsing chunks of one byte would take the whole processor.
    """

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request) and any(name == b"transfer-encoding" for name, _ in event.headers):
            text = "a body without its length"
            raise h11.RemoteProtocolError(text)
        return event


class BoundedProtocol(H11Protocol):
    """One connection of uvicorn's server, with limits."""

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn = _Parser(h11.SERVER, MAX_HEADER_BYTES)
        self.limits = limits
        self.waits_since = 0.0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Start the time limit; close another connection if this is one too many."""
        super().connection_made(transport)
        self._expect_within(self.limits.header_seconds)
        everybody = [
            other
            for other in self.connections
            if isinstance(other, BoundedProtocol) and not other.transport.is_closing()
        ]
        neighbours = [other for other in everybody if other.address == self.address]
        for group, limit in ((neighbours, self.limits.per_address), (everybody, self.limits.total)):
            if len(group) > limit:
                waiting = [other for other in group if not other.is_being_answered]
                min(waiting, key=lambda other: other.waits_since).transport.abort()

    @property
    def address(self) -> str:
        """The address of the client, without the port."""
        return self.client[0] if self.client else ""

    @property
    def is_being_answered(self) -> bool:
        """Whether the client waits for the server, and not the other way round."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_started

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data in pieces, since h11 limits only a header that is not complete."""
        for start in range(0, len(data), MAX_HEADER_BYTES):
            if self.transport.is_closing():
                return
            if self.is_being_answered:  # a second request before the response: the client has to send it again
                self.cycle.keep_alive = False
                return
            super().data_received(data[start : start + MAX_HEADER_BYTES])

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep the connection open for the response if the client has only ended its half of it."""
        if self.is_being_answered:
            self.cycle.keep_alive = False
            return True
        return None

    def handle_events(self) -> None:
        """Handle what was parsed; a header starts the time limit of the exchange."""
        cycle = self.cycle
        super().handle_events()
        if self.cycle is not cycle:
            self._expect_within(self.limits.exchange_seconds)

    def on_response_complete(self) -> None:
        """Start the time limit of the next header. The rest of a body that was not read counts to its own request."""
        if not self.cycle.more_body:
            self._expect_within(self.limits.header_seconds)
        super().on_response_complete()

    def _expect_within(self, seconds: float) -> None:
        """Close the connection in some seconds, unless this is called again."""
        if self._deadline:
            self._deadline.cancel()
        self.waits_since = self.loop.time()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
