"""Load on `shoepair serve` on this machine: answers per second and response times, over loopback.

Every client sends the next pair when the last one is answered, each time over a new connection; after a 503 it waits a
little. No photo is sent twice for two answers. The clients take processor time from the server: clients on a second
machine would measure a little more.

    python -m benchmarks.serve [LEFT RIGHT] [--seconds 20] [--slow 400] [--json FILE]
    python -m benchmarks.serve --other FOLDER --other-command "python -m shoepair.cli serve --port 0 --at-once 8"

`both at once` sends pairs, as the page does without its script. `looked at first` sends each photo when it was chosen
and then the pair, as the page does; its times are of the last request, from the button to the answer. With --other the
server of another checkout, with trained models, takes turns with this one.

With --slow one client is measured beside as many connections on which a request was begun and never ended: every
second one in its header, the others in their photos. Every `SLOW_SECONDS` they are opened again.

Without photos two random ones are used, of 224 x 224 pixels and of 12 megapixels, as from a phone. Run it in a project
with trained models.
"""

from __future__ import annotations

import http.client
import io
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import count, product
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
SIDES = ("left", "right")
OURS = "this checkout"
WAYS = ("both at once", "looked at first")
COMMAND = (sys.executable, "-m", "shoepair", "serve", "--port", "0", "--max-requests", str(MAX_REQUESTS))
NUMBERS = count()  # of photos that were sent
PAUSE = 0.2  # seconds that a client waits after a 503
SLOW_SECONDS = 5
TIMEOUT = 60  # seconds for the server to start or to answer

Pair = tuple[bytes, bytes]  # the files of a left and a right shoe


@contextmanager
def run_server(folder: Path, command: Sequence[str]) -> Iterator[tuple[str, psutil.Process]]:
    """Context manager: a server of the project in a folder; yields its address and process."""
    environment = os.environ | {"PYTHONPATH": str(folder.resolve()), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment) as process:
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


def encode_form(**fields: bytes) -> bytes:
    """Return photos by side, and other fields, as a browser sends them."""
    body = b""
    for name, content in fields.items():
        file_name = '; filename="p.jpg"' if name in SIDES else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def number_photo(content: bytes, number: int) -> bytes:
    """Return a JPEG with a number as its comment: the same picture as another file. Other photos stay as they are."""
    start = b"\xff\xd8"
    comment = b"\xff\xfe\x00\x0a" + number.to_bytes(8, "big")
    return start + comment + content.removeprefix(start) if content.startswith(start) else content


def ask(address: str, photos: Pair, number: int, *, looks: bool) -> tuple[int, float]:
    """Send one pair that nobody has sent, looked at before or not; return status and seconds of the last request."""
    fields = {side: number_photo(content, number) for side, content in zip(SIDES, photos, strict=True)}
    for side in SIDES if looks else ():
        status, seconds = post(address, encode_form(look=side.encode(), **{side: fields[side]}))
        if status != 200:
            return status, seconds
    return post(address, encode_form(**fields))


def post(address: str, body: bytes) -> tuple[int, float]:
    """Send one form; return the status and the seconds until the answer was read."""
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


def run_clients(address: str, photos: Pair, clients: int, seconds: float, *, looks: bool = False) -> dict[str, Any]:
    """Let some clients send pairs for some seconds; return counts and times."""
    answers: list[tuple[int, float]] = []
    start = time.perf_counter()

    def client() -> None:
        while time.perf_counter() - start < seconds:
            answers.append(ask(address, photos, next(NUMBERS), looks=looks))
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


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor time of the server and its workers until now."""
    times = [member.cpu_times() for member in [process, *process.children(recursive=True)]]
    return float(sum(time.user + time.system for time in times))


def measure(
    servers: dict[str, tuple[str, psutil.Process]], pairs: dict[str, Pair], seconds: float, slow: int
) -> list[dict[str, Any]]:
    """Measure the servers in turn, with all photos and numbers of clients, or one client beside slow ones."""
    rows = []
    for name, photos in pairs.items():
        for address, _ in servers.values():
            ask(address, photos, next(NUMBERS), looks=False)
        for clients, (server, (address, process)) in product(CLIENTS[:1] if slow else CLIENTS, servers.items()):
            for way in WAYS if server == OURS else WAYS[:1]:
                with hold_connections(address, slow) if slow else nullcontext():
                    before = processor_seconds(process)
                    numbers = run_clients(address, photos, clients, seconds, looks=way == WAYS[1])
                busy = (processor_seconds(process) - before) / max(1, numbers["answered"])
                row = {"server": server, "photos": name, "kilobytes": sum(map(len, photos)) / 1000, "way": way}
                rows.append(row | numbers | {"processor_seconds": busy, "memory_mb": memory_mb(process)})
    return rows


def format_table(rows: list[dict[str, Any]]) -> str:
    """Format the rows as a table."""
    lines = [
        "| server | photos | kB a pair | way | clients | answers/s | p50, s | p99, s | CPU s an answer "
        "| answered | 503 | failed | MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        what = f"{row['server']} | {row['photos']} | {row['kilobytes']:,.0f} | {row['way']} | {row['clients']}"
        rates = f"{row['per_second']:.1f} | {row['p50']:.3f} | {row['p99']:.3f} | {row['processor_seconds']:.3f}"
        counts = f"{row['answered']} | {row['busy']} | {row['failed']} | {row['memory_mb']:,.0f}"
        lines.append(f"| {what} | {rates} | {counts} |")
    return "\n".join(lines)


def main(
    left: Annotated[Path | None, typer.Argument(help="Photo of a left shoe.")] = None,
    right: Annotated[Path | None, typer.Argument(help="Photo of a right shoe.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Duration of each measurement.")] = 20,
    slow: Annotated[int, typer.Option(min=0, help="Slow connections beside one client.")] = 0,
    other: Annotated[Path | None, typer.Option(help="Another checkout, with trained models.")] = None,
    other_command: Annotated[str, typer.Option(help="What starts its server.")] = " ".join(COMMAND),
    path: Annotated[Path | None, typer.Option("--json", help="File for the numbers.")] = None,
) -> None:
    """Measure and print."""
    if left and right:
        pairs = {"given": (left.read_bytes(), right.read_bytes())}
    else:
        pairs = {name: (random_jpeg(size, 1), random_jpeg(size, 2)) for name, size in EDGES.items()}
    with ExitStack() as running:
        servers = {OURS: running.enter_context(run_server(Path.cwd(), COMMAND))}
        if other:
            command = other_command.replace("python ", f"{sys.executable} ", 1)
            servers[other.name] = running.enter_context(run_server(other, shlex.split(command)))
        rows = measure(servers, pairs, seconds, slow)
    numbers = {"cores": os.cpu_count(), "at_once": MAX_REQUESTS, "seconds": seconds, "slow": slow, "rows": rows}
    print_results(numbers, format_table(rows), path)


if __name__ == "__main__":
    typer.run(main)
