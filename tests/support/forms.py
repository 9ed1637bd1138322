"""Requests to `shoepair serve`, as a browser sends them."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

from shoepair.commands.serving.predictor import SAME_VERDICT
from support import usage

BOUNDARY = "----shoes"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
JSON = {"Accept": "application/json"}


def form(**files: bytes) -> bytes:
    """Return a form with files."""
    parts = b""
    for name, content in files.items():
        parts += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="p.jpg"\r\n'.encode()
        parts += b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n"
    return parts + f"--{BOUNDARY}--\r\n".encode()


def send(
    served: usage.Served, body: bytes = b"", method: str = "POST", path: str = "/", **headers: str
) -> http.client.HTTPResponse:
    """Send a request on a connection of its own; the body of the answer is its attribute `text`."""
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, FORM | JSON | named)
    response = connection.getresponse()
    response.text = response.read().decode()  # type: ignore[attr-defined]
    connection.close()
    return response


def asked(served: usage.Served, left: bytes, right: bytes, **headers: str) -> tuple[int, dict[str, object]]:
    """Return the status and the document of the answer for two photos."""
    response = send(served, form(left=left, right=right), **headers)
    return response.status, json.loads(response.text)  # type: ignore[attr-defined]


def photos(served: usage.Served, verdict: str = SAME_VERDICT) -> tuple[bytes, bytes]:
    """Return two photos that get a verdict."""
    left, right = served.paths(verdict)
    return Path(left).read_bytes(), Path(right).read_bytes()
