"""Load on `shoepair serve` on this machine: requests per second and response times, over loopback.

Every client sends the next pair when the last one is answered, each time over a new connection; after a 503 it waits a
little. The clients take processor time from the server: clients on a second machine would measure a little more.

    python -m benchmarks.serve [LEFT RIGHT] [--seconds 20] [--slow 400] [--json FILE]

With --slow one client is measured beside as many connections on which a request was begun and never ended: every
second one in its header, the others in their photos. Every `SLOW_SECONDS` they are opened again.

Without photos two random ones are used, of 224 x 224 pixels and of 12 megapixels, as from a phone. Run it in a project
with trained models.
"""

from __future__ import annotations

import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import typer
from PIL import Image

from benchmarks.output import print_results

BOUNDARY = "----benchmark"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Accept": "application/json"}
EDGES = {"224 x 224": (224, 224), "4000 x 3000": (4000, 3000)}  # as stored; as from a phone
CLIENTS = (1, 2, 8, 16)
MAX_REQUESTS = 8
PAUSE = 0.2  # seconds that a client waits after a 503
SLOW_SECONDS = 5
TIMEOUT = 60  # seconds for the server to start or to answer


@contextmanager
def run_server() -> Iterator[tuple[str, psutil.Process]]:
    """Context manager: a server of the project in the current directory; yields its address and process."""
    command = [sys.executable, "-u", "-m", "shoepair", "serve", "--port", "0", "--max-requests", str(MAX_REQUESTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("listening at "):
            sys.exit(1)  # the server has printed the error
        try:
            yield urlsplit(line.split()[2]).netloc, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(TIMEOUT)


def random_jpeg(size: tuple[int, int], seed: int) -> bytes:
    """Return a JPEG of coarse noise, about as many bytes as a photo of this size."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 220, (size[1] // 8, size[0] // 8, 3), np.uint8))
    file = io.BytesIO()
    coarse.resize(size).save(file, "JPEG", quality=85)
    return file.getvalue()


def encode_form(left: bytes, right: bytes) -> bytes:
    """Return two photos as a browser sends them."""
    body = b""
    for name, content in (("left", left), ("right", right)):
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="p.jpg"\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def post_pair(address: str, body: bytes) -> tuple[int, float]:
    """Send one pair; return the status and the seconds until the answer was read."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("POST", "/", body, HEADERS)
        response = connection.getresponse()
        response.read()
        status = response.status
    except OSError:
        status = 0  # the connection was closed
    finally:
        connection.close()
    return status, time.perf_counter() - start


def run_clients(address: str, body: bytes, clients: int, seconds: float) -> dict[str, Any]:
    """Let some clients send pairs for some seconds; return counts and times."""
    answers: list[tuple[int, float]] = []
    start = time.perf_counter()

    def client() -> None:
        while time.perf_counter() - start < seconds:
            answers.append(post_pair(address, body))
            if answers[-1][0] != 200:
                time.sleep(PAUSE)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - start
    times = [duration for status, duration in answers if status == 200]
    busy = sum(status == 503 for status, _ in answers)
    p50, p99 = (float(value) for value in np.percentile(times or [0.0], [50, 99]))
    return {
        **{"clients": clients, "answered": len(times), "busy": busy, "failed": len(answers) - len(times) - busy},
        **{"per_second": len(times) / wall, "p50": p50, "p99": p99},
    }


@contextmanager
def hold_connections(address: str, count: int) -> Iterator[None]:
    """Context manager: half-sent requests on many connections."""
    host, _, port = address.rpartition(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    begun = [b"GET / HTTP/1.1\r\nX-", f"POST / HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 9999\r\n\r\n--".encode()]
    end = threading.Event()

    def hold() -> None:
        with ExitStack() as held:
            for number in range(count):
                connection = held.enter_context(socket.create_connection((host, int(port)), TIMEOUT))
                connection.sendall(begun[number % 2])
            ready.set()
            end.wait(SLOW_SECONDS)

    def hold_again() -> None:
        while not end.is_set():
            hold()

    ready = threading.Event()
    thread = threading.Thread(target=hold_again)
    thread.start()
    ready.wait(TIMEOUT)
    try:
        yield
    finally:
        end.set()
        thread.join()


def memory_mb(process: psutil.Process) -> float:
    """Return the megabytes of the server and its workers, shared pages counted once."""
    held = [member.memory_full_info().pss for member in [process, *process.children(recursive=True)]]
    return float(sum(held)) / 1e6


def measure(bodies: dict[str, bytes], seconds: float, slow: int) -> list[dict[str, Any]]:
    """Measure all sizes of photos with all numbers of clients, or one client beside slow ones."""
    rows = []
    with run_server() as (address, process):
        for name, body in bodies.items():
            post_pair(address, body)
            for clients in CLIENTS[:1] if slow else CLIENTS:
                with hold_connections(address, slow) if slow else nullcontext():
                    numbers = run_clients(address, body, clients, seconds)
                row = {"photos": name, "kilobytes": len(body) / 1000} | numbers
                rows.append(row | {"memory_mb": memory_mb(process)})
    return rows


def format_table(rows: list[dict[str, Any]]) -> str:
    """Format the rows as a table."""
    lines = [
        "| photos | kB a request | clients | requests/s | p50, s | p99, s | answered | 503 | failed | MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        rates = f"{row['per_second']:.1f} | {row['p50']:.2f} | {row['p99']:.2f}"
        counts = f"{row['answered']} | {row['busy']} | {row['failed']} | {row['memory_mb']:,.0f}"
        lines.append(f"| {row['photos']} | {row['kilobytes']:,.0f} | {row['clients']} | {rates} | {counts} |")
    return "\n".join(lines)


def main(
    left: Annotated[Path | None, typer.Argument(help="Photo of a left shoe.")] = None,
    right: Annotated[Path | None, typer.Argument(help="Photo of a right shoe.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Duration of each measurement.")] = 20,
    slow: Annotated[int, typer.Option(min=0, help="Slow connections beside one client.")] = 0,
    path: Annotated[Path | None, typer.Option("--json", help="File for the numbers.")] = None,
) -> None:
    """Measure and print."""
    if left and right:
        bodies = {"given": encode_form(left.read_bytes(), right.read_bytes())}
    else:
        bodies = {name: encode_form(random_jpeg(size, 1), random_jpeg(size, 2)) for name, size in EDGES.items()}
    rows = measure(bodies, seconds, slow)
    numbers = {"cores": os.cpu_count(), "at_once": MAX_REQUESTS, "seconds": seconds, "slow": slow, "rows": rows}
    print_results(numbers, format_table(rows), path)


if __name__ == "__main__":
    typer.run(main)
