"""`shoepair serve` over HTTP: one address, its limits, and that nothing of a photo is written or logged."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from PIL import Image
from support import usage
from support.forms import BOUNDARY, FORM, JSON, asked, form, photos, send

from shoepair.commands.serving.predictor import DIFFERENT_VERDICT, NOT_SURE_VERDICT, SAME_VERDICT


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[usage.Served]:
    with usage.serving(tmp_path_factory.mktemp("served")) as server:
        yield server


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("verdict", [SAME_VERDICT, DIFFERENT_VERDICT, NOT_SURE_VERDICT])
def test_verdict_is_that_of_the_terminal(served: usage.Served, verdict: str) -> None:
    status, document = asked(served, *photos(served, verdict))
    assert status == 200
    assert document["verdict"] == verdict
    assert document.keys() == {"verdict", "sure", "score", "reasons", "advice", "learning", "look"}


@pytest.mark.parametrize("path", ["/docs", "/static/page.css", "/../params.yaml", "/favicon.ico", "//", "/index.html"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_no_other_address(served: usage.Served, method: str, path: str) -> None:
    assert send(served, method=method, path=path).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_there_is_no_other_method(served: usage.Served, method: str) -> None:
    assert send(served, method=method).status == 405


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/"), ("GET", "/no")])
def test_every_answer_carries_the_policy(served: usage.Served, method: str, path: str) -> None:
    headers = send(served, method=method, path=path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] is None
    assert headers["Set-Cookie"] is None


def test_page_loads_nothing_from_elsewhere(served: usage.Served) -> None:
    page = send(served, method="GET").text  # type: ignore[attr-defined]
    assert "http" not in page
    assert " src=" not in page
    assert "@import" not in page


def test_missing_photo_is_named(served: usage.Served) -> None:
    left, right = photos(served)
    for body, field in ((form(left=left), "right"), (form(right=right, left=b""), "left"), (form(), "left")):
        response = send(served, body)
        assert response.status == 400
        document = json.loads(response.text)  # type: ignore[attr-defined]
        assert document == {"error": f"The photo of the {field} shoe is missing. Take or choose one.", "field": field}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"left=1&right=2", {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"Content_Type": "application/json"}, 415),
        (b"no form at all", {}, 400),
        (form(left=b"a", right=b"b", more=b"c"), {}, 400),
        (form(left=b"a"), {"Content_Type": "multipart/form-data"}, 400),
        (form(left=b"a", right=b"b")[:90], {}, 400),
    ],
)
def test_what_is_no_form_is_refused(served: usage.Served, body: bytes, headers: dict[str, str], status: int) -> None:
    assert send(served, body, **headers).status == status


def test_photo_above_twenty_megabytes_is_refused_and_below_is_read(served: usage.Served) -> None:
    left, right = photos(served)
    padded = left + bytes(20 * 2**20 - len(left))  # a PNG may have anything behind its end
    assert asked(served, padded, right)[0] == 200
    status, document = asked(served, left, right + bytes(20 * 2**20))
    assert status == 413
    assert document["error"] == "The photo of the right shoe has more than 20 megabytes. Use a smaller one."
    status, document = asked(served, bytes(30 * 2**20), bytes(30 * 2**20))
    assert status == 413
    assert "too large" in str(document["error"])


def test_bomb_of_pixels_is_refused_before_it_is_decoded(served: usage.Served) -> None:
    left, _ = photos(served)
    bomb = encoded(Image.new("1", (8100, 8100)))
    assert len(bomb) < 20_000
    status, document = asked(served, left, bomb)
    assert status == 422
    assert document["error"] == (
        "The photo of the right shoe has too many pixels; send it smaller, or take it with less resolution."
    )
    assert document["field"] == "right"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"GIF89a" + bytes(50), "is an animation or a drawing"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "is damaged or did not arrive whole"),
        (b"\0\0\0\x18ftyphevc" + bytes(50), "is a film or a burst; choose a single photo of it"),
        (
            b"\0\0\0\x14ftypqt  " + bytes(50),
            "is a film; take a photo instead, and of a Live Photo choose the still picture",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is damaged or did not arrive whole"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "is damaged or did not arrive whole"),
        (encoded(Image.new("RGB", (900, 60)), "JPEG"), "crop it to the shoe"),
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:900], "is damaged or did not arrive whole"),
        (b"../../etc/passwd", "is not a photo"),
    ],
)
def test_what_is_no_photo_is_told_in_words(served: usage.Served, content: bytes, reason: str) -> None:
    status, document = asked(served, content, photos(served)[1])
    assert status == 422
    assert str(document["error"]).startswith("The photo of the left shoe is ")
    assert reason in str(document["error"])
    assert document["field"] == "left"
    assert not [word for word in ("decode", "HEIC", "AVIF", "WebP", "Error") if word in str(document["error"])]


def test_single_photo_is_looked_at(served: usage.Served) -> None:
    look = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="look"\r\n\r\nright\r\n'.encode()
    right = form(right=photos(served)[1])
    response = send(served, look + right)
    assert (response.status, json.loads(response.text)) == (  # type: ignore[attr-defined]
        200,
        {
            "side": "right",
            "is_good": True,
            "sentence": "The photo of the right shoe is good: sharp, and bright enough.",
        },
    )
    assert send(served, look + form(left=photos(served)[0])).status == 400
    assert "is good: sharp" in send(served, look + right, Accept="text/html").text  # type: ignore[attr-defined]


def test_other_sites_cannot_ask(served: usage.Served) -> None:
    assert asked(served, *photos(served), Sec_Fetch_Site="cross-site")[0] == 403
    assert asked(served, *photos(served), Sec_Fetch_Site="same-origin")[0] == 200


def test_form_without_script_gets_the_page(served: usage.Served) -> None:
    left, right = photos(served)
    page = send(served, form(left=left, right=right), Accept="text/html").text  # type: ignore[attr-defined]
    assert "<title>Same pair: Are these two shoes a pair?</title>" in page
    page = send(served, form(left=left, right=b"<b>"), Accept="text/html").text  # type: ignore[attr-defined]
    assert "<title>No answer: " in page
    assert "aria-invalid=true" in page


def test_slow_photo_ends_with_an_answer_and_costs_no_worker(tmp_path: Path) -> None:
    with usage.serving(tmp_path, max_requests=1, seconds=2) as served, ThreadPoolExecutor() as threads:
        pair = photos(served)
        for _ in range(2):
            assert asked(served, *pair)[0] == 200
            for process in psutil.Process(served.process.pid).children(recursive=True):
                if "forkserver" in str(process.parent().cmdline()):
                    process.suspend()  # a worker: as slow as a photo can be
            requests = [threads.submit(send, served, form(left=pair[0], right=pair[1])) for _ in range(2)]
            refused, slow = (done.result() for done in as_completed(requests))
            assert refused.status == 503
            assert refused.headers["Retry-After"] == "5"
            assert slow.status == 504
            message = "This took longer than 2 seconds and was stopped. Use smaller photos."
            assert json.loads(slow.text) == {"error": message, "field": ""}  # type: ignore[attr-defined]


def test_slow_upload_is_given_up(tmp_path: Path) -> None:
    with usage.serving(tmp_path, max_requests=1, seconds=2) as served:
        connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=30)
        connection.putrequest("POST", "/")
        for name, value in (FORM | JSON | {"Content-Length": "1000"}).items():
            connection.putheader(name, value)
        connection.endheaders(b"--")
        response = connection.getresponse()
        assert response.status == 408
        assert "did not arrive" in json.loads(response.read())["error"]
        connection.close()


def test_address_that_is_taken_is_one_line(served: usage.Served) -> None:
    port = urlsplit(served.url).port
    words = [sys.executable, "-m", "shoepair", "serve", "--port", str(port)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=served.folder)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: serve: cannot listen at 127.0.0.1, port {port} (")
    assert "Traceback" not in done.stderr


def test_without_the_extra_it_is_one_line(served: usage.Served, tmp_path: Path) -> None:
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError('no', name='starlette')")
    start = "from shoepair.commands.main import main; main()"
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; sys.argv[1:] = ['serve']; {start}"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=served.folder)
    assert done.returncode == 1
    assert "is not installed\ninstall it: python -m pip install -e '.[serve]'" in done.stderr


def test_honest_request_is_answered_beside_more_slow_clients_than_there_are_file_descriptors(tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    with usage.serving(tmp_path, max_requests=2) as served, contextlib.ExitStack() as clients:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        address = urlsplit(served.url)
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM['Content-Type']}\r\nContent-Length: 99999\r\n"
        for begun in ("GET / HTTP/1.1\r\nX-", f"{head}\r\n--{BOUNDARY}", ""):
            for _ in range(400):
                client = clients.enter_context(socket.create_connection((address.hostname, address.port), timeout=60))
                client.sendall(begun.encode())
            assert send(served, method="GET").status == 200
            assert asked(served, *photos(served))[0] == 200
        assert len(psutil.Process(served.process.pid).net_connections()) <= 1 + 128
