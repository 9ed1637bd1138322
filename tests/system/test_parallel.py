"""Work in pieces: the same results in the same order on threads, on processes and on Ray; what a user is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.field import ROOT, wait_for

from shoepair.runtime import parallel
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import ray_cluster


def square(number: int) -> int:
    return number * number


def told(piece: object) -> str:
    return f"piece {piece}"


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    lines = (
        "import functools, pathlib",
        "from shoepair.runtime import parallel",
        "from support import working",
        "from shoepair.runtime.parallel import local",
        "local.count_cores = lambda: 2",
        f"work = functools.partial(working.stay, notes=pathlib.Path({str(tmp_path)!r}))",
        "list(parallel.ordered(work, range(4), tell=str, room=parallel.Room(1)))",
    )
    program = tmp_path / "program.py"
    program.write_text("if __name__ == '__main__':\n    " + "\n    ".join(lines) + "\n")
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    with subprocess.Popen([sys.executable, program], env=os.environ | {"PYTHONPATH": paths}) as parent:
        try:
            wait_for(lambda: len(list(tmp_path.glob("[0-9]*"))) == 2)
        finally:
            parent.kill()
    workers = [int(path.name) for path in tmp_path.glob("[0-9]*")]
    wait_for(lambda: not any(alive(pid) for pid in workers))


def alive(pid: int) -> bool:
    """Whether a process is there, and does not only wait to be counted out."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def port() -> Iterator[socket.socket]:
    """A port of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def greet(server: socket.socket) -> None:
    line, _ = server.accept()
    with line:
        line.recv(100)
        line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_address_where_no_cluster_answers_is_refused(port: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv(parallel.SWITCH, "ray")
    monkeypatch.setattr(ray_cluster, "SECONDS", 0.2)
    silent = f"127.0.0.1:{port.getsockname()[1]}"

    def refused(address: str) -> str:
        monkeypatch.setenv(ray_cluster.ADDRESS, address)
        with pytest.raises(ShoepairError, match=f"RAY_ADDRESS={address}: no Ray cluster") as caught:
            list(parallel.ordered(square, range(3), tell=told))
        return caught.value.found

    assert "timed out" in refused(silent)
    assert "invalid literal" in refused("nowhere")
    server = threading.Thread(target=greet, args=(port,))
    port.settimeout(10)
    port.accept()[0].close()  # the connection that timed out
    server.start()
    assert "what answers there is no Ray cluster" in refused(silent)
    server.join()
    port.close()
    assert "refused" in refused(silent)
