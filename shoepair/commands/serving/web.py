"""`shoepair serve`, a web server that compares two photos. Its only address is `/`: GET the page, POST the photos.

A browser without JavaScript posts the form and gets the page with the verdict; the page's script requests JSON and
inserts the verdict into a live region for screen readers. Photos are not stored, written or logged.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import Any, TypeVar

import uvicorn
from jinja2 import Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shoepair.commands.serving import addresses, connections, predictor, uploads
from shoepair.commands.serving.connections import BoundedProtocol
from shoepair.commands.serving.predictor import (
    COPY_VERDICT,
    DIFFERENT_VERDICT,
    NOT_SURE_VERDICT,
    PROBABLY_DIFFERENT_VERDICT,
    PROBABLY_SAME_VERDICT,
    SAME_VERDICT,
    Prediction,
)
from shoepair.commands.serving.seen_photos import SeenPhotos
from shoepair.commands.serving.uploads import BUSY_MESSAGE, RequestError, UploadMemory
from shoepair.commands.serving.worker_pool import WorkerPool
from shoepair.commands.serving.workers import (
    MAX_PIXELS,
    SHOE_NAMES,
    Answer,
    SeenPhoto,
    UnusablePhoto,
    WorkerDiedError,
)
from shoepair.reports.formatting import read_template
from shoepair.runtime.cores import count_cores
from shoepair.runtime.errors import ShoepairError

REQUEST_SECONDS = 10.0  # from the last byte of a request to its response; and that an upload may pause
UPLOAD_FACTOR = 12  # of these, for the upload: two minutes
RETRY_HEADERS = {"Retry-After": "5"}  # seconds; for requests that may succeed later
VERDICT_CSS_CLASSES = {
    SAME_VERDICT: "same",
    PROBABLY_SAME_VERDICT: "same probable",
    DIFFERENT_VERDICT: "different",
    PROBABLY_DIFFERENT_VERDICT: "different probable",
    NOT_SURE_VERDICT: "unsure",
    COPY_VERDICT: "unsure",
}
EXAMPLES = ("left", "right")  # photos of a drawn pair, to try the page with
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Result = TypeVar("Result")


class Page:
    """The page as HTML, with the content security policy that permits only its own style and script."""

    def __init__(self) -> None:
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        environment.filters["unbroken"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
        folder = resources.files("shoepair.commands.serving").joinpath("static")
        self._template = environment.from_string(folder.joinpath("page.html.j2").read_text(encoding="utf-8"))
        parts = {name: folder.joinpath(f"page.{name}").read_text(encoding="utf-8") for name in ("css", "js")}
        self._parts = parts | {"css": read_template("base.css") + parts["css"]}
        self._examples = {
            side: base64.b64encode(folder.joinpath(f"example_{side}.webp").read_bytes()).decode() for side in EXAMPLES
        }
        style, script = (_csp_hash(self._parts[name]) for name in ("css", "js"))
        self.security_policy = (
            f"default-src 'none'; style-src '{style}'; script-src '{script}'; img-src blob: data:; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    def __call__(
        self, answer: Prediction | None = None, error: RequestError | None = None, seen: SeenPhoto | None = None
    ) -> str:
        """Render the page: empty, with a prediction, with an error, or with a remark on a single photo."""
        limits = {
            "megabytes": uploads.MAX_PHOTO_MEGABYTES,
            "megapixels": MAX_PIXELS // 10**6,
            "max_bytes": uploads.MAX_PHOTO_BYTES,
        }
        css_class = VERDICT_CSS_CLASSES[answer.verdict] if answer else ""
        return self._template.render(
            answer=answer,
            css_class=css_class,
            error=error,
            seen=seen,
            shoes=SHOE_NAMES,
            examples=self._examples,
            **limits,
            **self._parts,
        )


def _csp_hash(text: str) -> str:
    """Return the hash of a text as written in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@dataclass(eq=False)
class RequestHandler:
    """Handles requests: a bounded number at once, each within its time limit."""

    workers: WorkerPool
    max_requests: int  # whose verdicts are predicted at once; others get status 503
    time_limit: float  # of a request, from the end of its body to its response; and of pauses in it, in seconds
    page: Page = field(default_factory=Page)
    active_requests: int = 0

    def __post_init__(self) -> None:
        self.memory = UploadMemory(self.max_requests * uploads.MAX_BODY_BYTES)
        self.seen_photos = SeenPhotos()

    async def handle_get(self, request: Request) -> Response:  # noqa: ARG002  # the page is always the same
        """Return the page."""
        return HTMLResponse(self.page())

    async def handle_post(self, request: Request) -> Response:
        """Predict the verdict for the uploaded photos; return it as a page or as JSON, by the Accept header."""
        try:
            answer = await self._answer(request)
        except RequestError as error:
            return self._respond(request, error.status, {"error": error.message, "field": error.side}, error=error)
        if isinstance(answer, SeenPhoto):
            return self._respond(request, 200, answer.to_dict(), seen=answer)
        document = answer.to_dict() | {"look": VERDICT_CSS_CLASSES[answer.verdict]}
        return self._respond(request, 200, document, answer=answer)

    def _respond(self, request: Request, status: int, document: dict[str, Any], **page_content: Any) -> Response:
        headers = RETRY_HEADERS if status in {503, 504} else {}
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(document, status, headers)
        return HTMLResponse(self.page(**page_content), status, headers)

    async def _answer(self, request: Request) -> Prediction | SeenPhoto:
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise RequestError(403, "Another site sent this request. Open this page directly.")
        clock = asyncio.get_running_loop().time
        late = RequestError(408, uploads.STALLED_MESSAGE)
        try:
            reading = uploads.read_photos(request, self.memory, self.time_limit)
            photos = await self._await_until(clock() + UPLOAD_FACTOR * self.time_limit, reading, late)
            if self.active_requests >= self.max_requests:
                raise RequestError(503, BUSY_MESSAGE)
            self.active_requests += 1
            try:
                return await self._predict(photos, clock() + self.time_limit)
            finally:
                self.active_requests -= 1
        finally:
            self.memory.release(request)

    async def _predict(self, photos: dict[str, bytes], deadline: float) -> Prediction | SeenPhoto:
        """Predict the verdict for photos that have arrived, or look at a single one and keep what was seen."""
        slow = f"This took longer than {self.time_limit:.0f} seconds and was stopped. Use smaller photos."
        try:
            worker = await self._await_until(deadline, self.workers.take(), RequestError(503, BUSY_MESSAGE))
            known = {side: self.seen_photos.find(content) or content for side, content in photos.items()}
            working = self.workers.predict(worker, known)
            result: Answer = await self._await_until(deadline, working, RequestError(504, slow))
        except WorkerDiedError:
            message = "The photos could not be processed. Try again in a few seconds, or with smaller ones."
            raise RequestError(503, message) from None
        if isinstance(result, UnusablePhoto):
            message = f"The photo of {SHOE_NAMES[result.side]} {result.reason}."
            raise RequestError(422, message, result.side)
        if isinstance(result, SeenPhoto):
            self.seen_photos.keep(photos[result.side], result.photo)
        return result

    async def _await_until(self, deadline: float, work: Awaitable[Result], timeout_error: RequestError) -> Result:
        """Return the result of an awaitable; raise `timeout_error` after the deadline."""
        try:
            async with asyncio.timeout_at(deadline):
                return await work
        except TimeoutError:
            raise timeout_error from None
        except ClientDisconnect:
            raise RequestError(400, "The connection was closed.") from None


@dataclass(eq=False)
class SecurityHeaders:
    """ASGI middleware that adds security headers to every response."""

    app: ASGIApp
    security_policy: str  # value of Content-Security-Policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to its response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = SECURITY_HEADERS | {"Content-Security-Policy": self.security_policy}
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def build_app(
    workers: WorkerPool, max_requests: int, on_started: Callable[[], object], time_limit: float
) -> Starlette:
    """Build the Starlette application, which calls `on_started` when ready and stops the workers at the end."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            workers.open()
            on_started()
            yield
        finally:
            workers.close()

    handler = RequestHandler(workers, max_requests, time_limit)
    routes = [Route("/", handler.handle_get, methods=["GET"]), Route("/", handler.handle_post, methods=["POST"])]
    middleware = [Middleware(SecurityHeaders, security_policy=handler.page.security_policy)]
    return Starlette(routes=routes, lifespan=lifespan, middleware=middleware)


def serve(
    host: str, port: int, max_requests: int, print_line: Callable[[str], object], time_limit: float = REQUEST_SECONDS
) -> None:
    """Run the web server until it is interrupted.

    Args:
        host: address to listen at.
        port: 0 uses a free one.
        max_requests: whose verdicts are predicted at once; others get status 503.
        print_line: gets a line with the address when the server listens, and what other machines open.
        time_limit: of a request, after its upload, in seconds.

    Raises:
        ShoepairError: the address is not available, or there is no trained model.
    """
    predictor.load_predictor()  # reports what is missing before a process starts
    listener = _listen(host, port)
    workers = WorkerPool(min(max_requests, count_cores()))
    on_started = partial(addresses.print_addresses, host, listener.getsockname()[1], print_line)
    exchange_seconds = (UPLOAD_FACTOR + 1) * time_limit + connections.RESPONSE_SECONDS
    limits, backlog = connections.limit_connections(exchange_seconds)
    config = uvicorn.Config(
        build_app(workers, max_requests, on_started, time_limit),
        http=partial(BoundedProtocol, limits=limits),  # type: ignore[arg-type]  # uvicorn calls it like a class
        ws="none",
        loop="asyncio",
        backlog=backlog,
        log_level="error",  # clients cannot fill the log with what they send
        access_log=False,  # privacy
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, int(time_limit)),
    )
    with listener, contextlib.closing(workers), contextlib.suppress(KeyboardInterrupt):
        workers.start()
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        message = f"serve: cannot listen at {host}, port {port} ({error.strerror or error})"
        raise ShoepairError(message, fix="choose another --port, or --host") from None
