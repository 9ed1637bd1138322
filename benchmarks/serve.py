"""What `shoepair serve` holds on this machine: requests per second and their times, over loopback.

Clients each send the next pair when the last is answered, every time over a new connection; one that is sent away
(503) waits a little. They take processor time from the server: clients on a second machine would see a little more.

    python -m benchmarks.serve [LEFT RIGHT] [--seconds 20] [--json FILE]

Without photos two are drawn, of 12 megapixels, as a phone takes them. Run it in a project whose models are trained.
"""

from __future__ import annotations

import http.client
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import psutil
import typer
from PIL import Image

from benchmarks.output import tell

BOUNDARY = "----benchmark"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Accept": "application/json"}
EDGES = {"224 x 224": (224, 224), "4000 x 3000": (4000, 3000)}  # as stored; as a phone takes it
CLIENTS = (1, 2, 8, 16)
AT_ONCE = 8
PAUSE = 0.2  # seconds that a client waits after it was sent away
PATIENCE = 60  # seconds until the server listens, or an answer must have come


@contextmanager
def serving() -> Iterator[tuple[str, psutil.Process]]:
    """A server of the project in the current directory: its place on loopback, and its process."""
    words = [sys.executable, "-u", "-m", "shoepair", "serve", "--port", "0", "--at-once", str(AT_ONCE)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("listening at "):
            sys.exit(1)  # the server has said why
        try:
            yield urlsplit(line.split()[2]).netloc, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def drawn(size: tuple[int, int], seed: int) -> bytes:
    """A JPEG of coarse noise, about as many bytes as a photo of this size."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 220, (size[1] // 8, size[0] // 8, 3), np.uint8))
    file = io.BytesIO()
    coarse.resize(size).save(file, "JPEG", quality=85)
    return file.getvalue()


def form(left: bytes, right: bytes) -> bytes:
    """Two photos as a browser sends them."""
    body = b""
    for name, content in (("left", left), ("right", right)):
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="p.jpg"\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def ask(place: str, body: bytes) -> tuple[int, float]:
    """One question: its status, and the seconds until the answer was read."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection(place, timeout=PATIENCE)
    try:
        connection.request("POST", "/", body, HEADERS)
        response = connection.getresponse()
        response.read()
        status = response.status
    except OSError:
        status = 0  # the connection was cut
    finally:
        connection.close()
    return status, time.perf_counter() - start


def load(place: str, body: bytes, clients: int, seconds: float) -> dict[str, Any]:
    """Let some clients ask for some seconds."""
    answers: list[tuple[int, float]] = []
    start = time.perf_counter()

    def client() -> None:
        while time.perf_counter() - start < seconds:
            answers.append(ask(place, body))
            if answers[-1][0] != 200:
                time.sleep(PAUSE)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - start
    times = [spent for status, spent in answers if status == 200]
    busy = sum(status == 503 for status, _ in answers)
    middle, late = (float(value) for value in np.percentile(times or [0.0], [50, 99]))
    return {
        **{"clients": clients, "answered": len(times), "busy": busy, "failed": len(answers) - len(times) - busy},
        **{"per_second": len(times) / wall, "p50": middle, "p99": late},
    }


def memory(process: psutil.Process) -> float:
    """Megabytes that the server and its workers hold, pages shared between them once."""
    held = [each.memory_full_info().pss for each in [process, *process.children(recursive=True)]]
    return float(sum(held)) / 1e6


def measure(bodies: dict[str, bytes], seconds: float) -> list[dict[str, Any]]:
    """Every kind of photo with every number of clients."""
    rows = []
    with serving() as (place, process):
        for name, body in bodies.items():
            ask(place, body)
            for clients in CLIENTS:
                row = {"photos": name, "kilobytes": len(body) / 1000} | load(place, body, clients, seconds)
                rows.append(row | {"memory_mb": memory(process)})
    return rows


def printed(rows: list[dict[str, Any]]) -> str:
    """The table."""
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
    seconds: Annotated[float, typer.Option(min=0.1, help="Of each measurement.")] = 20,
    path: Annotated[Path | None, typer.Option("--json", help="Where the numbers go.")] = None,
) -> None:
    """Measure, and tell."""
    if left and right:
        bodies = {"given": form(left.read_bytes(), right.read_bytes())}
    else:
        bodies = {name: form(drawn(size, 1), drawn(size, 2)) for name, size in EDGES.items()}
    rows = measure(bodies, seconds)
    tell({"cores": os.cpu_count(), "at_once": AT_ONCE, "seconds": seconds, "rows": rows}, printed(rows), path)


if __name__ == "__main__":
    typer.run(main)
