"""`shoepair serve`, a web page: two photos in, one verdict out. One address, `/`: GET is the page, POST the question.

A browser without JavaScript sends the form and gets the page again with the verdict on it; the page's own script asks
for JSON and puts the verdict where a screen reader listens. Nothing of a photo is kept, written or logged.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeVar

import uvicorn
from jinja2 import Environment, StrictUndefined
from pebble import ProcessExpired
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shoepair.commands.serving import predictor, uploads
from shoepair.commands.serving.predictor import DIFFERENT, NOT_SURE, SAME, Answer
from shoepair.commands.serving.uploads import RefusedError
from shoepair.commands.serving.workers import PIXELS, SHOES, Unusable, Workers
from shoepair.reports.format import template
from shoepair.runtime.cores import count_cores
from shoepair.runtime.errors import ShoepairError

SECONDS = 10.0  # from the first byte of a request to its answer
RETRY = {"Retry-After": "5"}  # seconds, where nothing was wrong with the request
LOOKS = {SAME: "same", DIFFERENT: "different", NOT_SURE: "unsure"}  # verdict -> its class on the page
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
BUSY = "Too many people are asking at this moment. Wait a few seconds, then try again."

Item = TypeVar("Item")


class Page:
    """The page as HTML, and the policy that lets a browser run its own style and script only."""

    def __init__(self) -> None:
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        environment.filters["unbroken"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
        folder = resources.files("shoepair.commands.serving").joinpath("static")
        self._template = environment.from_string(folder.joinpath("page.html.j2").read_text(encoding="utf-8"))
        parts = {name: folder.joinpath(f"page.{name}").read_text(encoding="utf-8") for name in ("css", "js")}
        self._parts = parts | {"css": template("base.css") + parts["css"]}
        style, script = (_digest(self._parts[name]) for name in ("css", "js"))
        self.policy = (
            f"default-src 'none'; style-src '{style}'; script-src '{script}'; img-src blob: data:; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    def __call__(self, answer: Answer | None = None, error: RefusedError | None = None) -> str:
        """The page, before or after a question."""
        limits = {"megabytes": uploads.MEGABYTES, "megapixels": PIXELS // 10**6, "photo": uploads.PHOTO}
        look = LOOKS[answer.verdict] if answer else ""
        return self._template.render(
            answer=answer, look=look, error=error, shoes=SHOES, looks=LOOKS, **limits, **self._parts
        )


def _digest(text: str) -> str:
    """A text as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@dataclass(eq=False)
class Desk:
    """Takes the questions: so many at once, each within its time."""

    workers: Workers  # who answer
    at_once: int  # questions that are taken; who comes beyond them is sent away with 503
    seconds: float  # of a question, from its first byte to its answer
    page: Page = field(default_factory=Page)
    active: int = 0  # questions at work

    async def show(self, request: Request) -> Response:  # noqa: ARG002  # the page is the same for everybody
        """The page."""
        return HTMLResponse(self.page())

    async def ask(self, request: Request) -> Response:
        """The verdict, as the page or as JSON, whichever was asked for."""
        try:
            answer = await self._answer(request)
        except RefusedError as error:
            return self._reply(request, error.status, {"error": error.text, "field": error.field}, error=error)
        return self._reply(request, 200, answer.document() | {"look": LOOKS[answer.verdict]}, answer=answer)

    def _reply(self, request: Request, status: int, document: dict[str, Any], **shown: Any) -> Response:
        headers = RETRY if status in {503, 504} else {}
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(document, status, headers)
        return HTMLResponse(self.page(**shown), status, headers)

    async def _answer(self, request: Request) -> Answer:
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise RefusedError(403, "Another site sent this request. Load this page itself.")
        if self.active >= self.at_once:
            await self._within(uploads.drain(request.stream()), RefusedError(503, BUSY))
            raise RefusedError(503, BUSY)
        self.active += 1
        try:
            return await self._work(request)
        finally:
            self.active -= 1

    async def _work(self, request: Request) -> Answer:
        """Read the photos and have them looked at, all of it within the time."""
        end = asyncio.get_running_loop().time() + self.seconds
        late = RefusedError(408, f"The photos did not arrive within {self.seconds:.0f} seconds. Use smaller ones.")
        photos = await self._within(uploads.read(request), late, end)
        slow = f"This took longer than {self.seconds:.0f} seconds and was given up. Use smaller photos."
        # Cancelled when late, whereupon pebble ends the process: no worker is lost to a photo.
        looked = asyncio.wrap_future(self.workers.look(**photos))
        try:
            found = await self._within(looked, RefusedError(504, slow), end)
        except ProcessExpired:
            raise RefusedError(503, "The photos could not be worked on. Try again, with smaller ones.") from None
        if isinstance(found, Unusable):
            text = f"The photo of {SHOES[found.field]}: {found.reason}. Photos in JPEG, PNG and WebP format are read."
            raise RefusedError(422, text, found.field)
        return found

    async def _within(self, work: Awaitable[Item], late: RefusedError, end: float | None = None) -> Item:
        """The result of some work, or what is said when the time is over."""
        try:
            async with asyncio.timeout_at(end or asyncio.get_running_loop().time() + self.seconds):
                return await work
        except TimeoutError:
            raise late from None
        except ClientDisconnect:
            raise RefusedError(400, "The connection was closed.") from None


@dataclass(eq=False)
class Guarded:
    """Every answer with the headers that keep the page to itself, and out of caches."""

    app: ASGIApp
    policy: str  # which styles, scripts and addresses a browser may use on the page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS | {"Content-Security-Policy": self.policy})
            await send(message)

        await self.app(scope, receive, guarded)


def build(workers: Workers, at_once: int, started: Callable[[], object], seconds: float) -> Starlette:
    """The application; it calls `started` when it is ready, and ends the workers when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            await asyncio.to_thread(workers.ready)
            started()
            yield
        finally:
            await asyncio.to_thread(workers.close)

    desk = Desk(workers, at_once, seconds)
    routes = [Route("/", desk.show, methods=["GET"]), Route("/", desk.ask, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guarded, policy=desk.page.policy)])


def serve(host: str, port: int, at_once: int, report: Callable[[str], object], seconds: float = SECONDS) -> None:
    """Serve until interrupted; port 0 takes a free one, the line that is reported tells which.

    Raises:
        ShoepairError: the address cannot be had, or there is no trained model.
    """
    predictor.appoint()  # what is missing is told here, before a process starts
    place = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{place.getsockname()[1]}/"
    workers = Workers(min(at_once, count_cores()), seconds)
    app = build(workers, at_once, lambda: report(f"listening at {address} (Ctrl-C ends it)"), seconds)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # nothing of who asked what
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, int(seconds)),
    )
    with place, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[place])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        found = f"serve: cannot listen at {host}, port {port} ({error.strerror or error})"
        raise ShoepairError(found, fix="choose another --port, or --host") from None
