"""`shoepair serve`: the web page on an address of this machine."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import uvicorn

from shoepair.commands.serving import predictor, web
from shoepair.commands.serving.workers import Workers
from shoepair.runtime.cores import count_cores
from shoepair.runtime.errors import ShoepairError


def serve(host: str, port: int, at_once: int, report: Callable[[str], object], seconds: float = web.SECONDS) -> None:
    """Serve until interrupted; port 0 takes a free one, the line that is reported tells which.

    Raises:
        ShoepairError: the address cannot be had, or there is no trained model.
    """
    predictor.appoint()  # what is missing is told here, before a process starts
    place = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{place.getsockname()[1]}/"
    workers = Workers(min(at_once, count_cores()), seconds)
    app = web.build(workers, at_once, lambda: report(f"listening at {address} (Ctrl-C ends it)"), seconds)
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
