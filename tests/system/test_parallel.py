"""Work in pieces: the same results in the same order on threads, on processes and on Ray; what a user is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from support.field import ROOT, wait_for

from shoepair.runtime import parallel
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import local, ray_cluster, scheduling


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
        "list(parallel.imap_ordered(work, range(4), describe_lost_task=str, resources=parallel.Resources(1)))",
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
    monkeypatch.setenv(parallel.ENGINE_VARIABLE, "ray")
    monkeypatch.setattr(ray_cluster, "PROBE_TIMEOUT", 0.2)
    silent = f"127.0.0.1:{port.getsockname()[1]}"

    def refused(address: str) -> str:
        monkeypatch.setenv(ray_cluster.ADDRESS_VARIABLE, address)
        with pytest.raises(ShoepairError, match=f"RAY_ADDRESS={address}: no Ray cluster") as caught:
            list(parallel.imap_ordered(square, range(3), describe_lost_task=told))
        return caught.value.message

    assert "timed out" in refused(silent)
    assert "invalid literal" in refused("nowhere")
    server = threading.Thread(target=greet, args=(port,))
    port.settimeout(10)
    port.accept()[0].close()  # the connection that timed out
    server.start()
    assert "the server there is no Ray cluster" in refused(silent)
    server.join()
    port.close()
    assert "refused" in refused(silent)


WAYS = {"threads": 10**6, "processes": 0}  # and how many pieces then count as few


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of the local engine."""
    monkeypatch.setattr(local, "MAX_THREAD_TASKS", WAYS[request.param])
    return str(request.param)


def fail(number: int) -> int:
    if number == 3:
        message = f"{number}: odd"
        raise ShoepairError(message, problems=["a", "b"], fix="take another")
    return number


def process(_piece: int) -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


def die(number: int, note: Path, times: int) -> int:
    """Kill the own process, a number of times for the piece 2."""
    if number == 2:
        note.open("a").write("x")
        if len(note.read_text()) <= times:
            os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.usefixtures("way")
def test_results_come_in_the_order_of_the_pieces() -> None:
    assert list(parallel.imap_ordered(square, range(40), describe_lost_task=told)) == [
        number * number for number in range(40)
    ]
    assert list(parallel.imap_ordered(square, [], describe_lost_task=told)) == []


def test_pieces_are_worked_in_other_processes_where_there_are_many(way: str) -> None:
    here = os.getpid()
    assert {pid == here for pid, _ in parallel.imap_ordered(process, range(8), describe_lost_task=told)} == {
        way == "threads"
    }


def meet(_piece: int, notes: Path, processes: int) -> tuple[int, int]:
    """Wait until so many processes are at work."""
    (notes / str(os.getpid())).touch()
    wait_for(lambda: len(list(notes.iterdir())) >= processes)
    return process(0)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("available", "room", "processes"),
    [
        (2, parallel.Resources(2), 0),
        (3, parallel.Resources(2), 0),
        (64, parallel.Resources(2, uses_accelerator=True), 0),
        (64, parallel.Resources(2, memory_bytes=2**60), 0),
        (4, parallel.Resources(2), 2),
        (2, parallel.Resources(1, memory_bytes=1), 2),
    ],
)
def test_pieces_that_take_room_go_to_as_many_processes_as_there_is_room_for(
    available: int, room: parallel.Resources, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "count_cores", lambda: available)
    own = (os.getpid(), threading.get_ident())
    work = partial(meet, notes=tmp_path, processes=processes)
    seen = set(parallel.imap_ordered(work, range(8), describe_lost_task=told, resources=room))
    assert len(seen) == max(1, processes)
    assert (own in seen) == (processes == 0)


@pytest.mark.usefixtures("way")
def test_what_the_work_raises_comes_out_as_it_is() -> None:
    results = parallel.imap_ordered(fail, range(40), describe_lost_task=told)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ShoepairError) as caught:
        next(results)
    assert str(caught.value) == "3: odd\n  a\n  b\ntake another"


def test_piece_whose_process_is_killed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAX_THREAD_TASKS", 0)
    note = tmp_path / "note"
    work = partial(die, note=note, times=scheduling.MAX_RETRIES)
    assert list(parallel.imap_ordered(work, range(6), describe_lost_task=told)) == list(range(6))
    assert len(note.read_text()) == scheduling.MAX_RETRIES + 1


def test_piece_whose_process_is_killed_each_time_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAX_THREAD_TASKS", 0)
    note = tmp_path / "note"
    with pytest.raises(ShoepairError, match="piece 2: given up after 4 tries: its process died"):
        list(parallel.imap_ordered(partial(die, note=note, times=99), range(6), describe_lost_task=told))
    assert len(note.read_text()) == scheduling.MAX_RETRIES + 1
