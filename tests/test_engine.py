"""Work in pieces: the same results in the same order on threads, on processes and on Ray; what a user is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, outputs, wait_for
from hypothesis import given
from hypothesis import strategies as st

from shoepair.ingestion import decode_all, scan
from shoepair.runtime import parallel, storage
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import local, ray_cluster, scheduling
from stages import ingest, normalize, validate

WAYS = {"threads": 10**6, "processes": 0}  # and how many pieces then count as few


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of the local engine."""
    monkeypatch.setattr(local, "FEW", WAYS[request.param])
    return str(request.param)


def square(number: int) -> int:
    return number * number


def fail(number: int) -> int:
    if number == 3:
        found = f"{number}: odd"
        raise ShoepairError(found, problems=["a", "b"], fix="take another")
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


def told(piece: object) -> str:
    return f"piece {piece}"


@pytest.mark.usefixtures("way")
def test_results_come_in_the_order_of_the_pieces() -> None:
    assert list(parallel.ordered(square, range(40), tell=told)) == [number * number for number in range(40)]
    assert list(parallel.ordered(square, [], tell=told)) == []


def test_pieces_are_worked_in_other_processes_where_there_are_many(way: str) -> None:
    here = os.getpid()
    assert {pid == here for pid, _ in parallel.ordered(process, range(8), tell=told)} == {way == "threads"}


def meet(_piece: int, notes: Path, processes: int) -> tuple[int, int]:
    """Wait until so many processes are at work."""
    (notes / str(os.getpid())).touch()
    wait_for(lambda: len(list(notes.iterdir())) >= processes)
    return process(0)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("available", "room", "processes"),
    [
        (2, parallel.Room(2), 0),
        (3, parallel.Room(2), 0),
        (64, parallel.Room(2, accelerator=True), 0),
        (64, parallel.Room(2, memory=2**60), 0),
        (4, parallel.Room(2), 2),
        (2, parallel.Room(1, memory=1), 2),
    ],
)
def test_pieces_that_take_room_go_to_as_many_processes_as_there_is_room_for(
    available: int, room: parallel.Room, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "count_cores", lambda: available)
    own = (os.getpid(), threading.get_ident())
    work = partial(meet, notes=tmp_path, processes=processes)
    seen = set(parallel.ordered(work, range(8), tell=told, room=room))
    assert len(seen) == max(1, processes)
    assert (own in seen) == (processes == 0)


def stay(_piece: int, notes: Path) -> None:
    (notes / str(os.getpid())).touch()
    time.sleep(600)


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    lines = (
        "import functools, pathlib, test_engine",
        "from shoepair.runtime import parallel",
        "from shoepair.runtime.parallel import local",
        "local.count_cores = lambda: 2",
        f"work = functools.partial(test_engine.stay, notes=pathlib.Path({str(tmp_path)!r}))",
        "list(parallel.ordered(work, range(4), tell=str, room=parallel.Room(1)))",
    )
    program = tmp_path / "program.py"
    program.write_text("if __name__ == '__main__':\n    " + "\n    ".join(lines) + "\n")
    paths = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
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


@pytest.mark.usefixtures("way")
def test_what_the_work_raises_comes_out_as_it_is() -> None:
    results = parallel.ordered(fail, range(40), tell=told)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ShoepairError) as caught:
        next(results)
    assert str(caught.value) == "3: odd\n  a\n  b\ntake another"


@given(st.integers(0, 30), st.integers(1, 8))
def test_no_more_pieces_are_under_way_than_allowed(number: int, most: int) -> None:
    under_way: set[int] = set()

    def start(piece: int) -> int:
        under_way.add(piece)
        assert len(under_way) <= most
        return piece

    def take(started: int) -> int:
        under_way.remove(started)
        return started

    workers = scheduling.Workers(start, take, most)
    assert list(scheduling.in_order(range(number), workers, told)) == list(range(number))
    assert not under_way


def test_piece_whose_process_is_killed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "FEW", 0)
    note = tmp_path / "note"
    work = partial(die, note=note, times=scheduling.RETRIES)
    assert list(parallel.ordered(work, range(6), tell=told)) == list(range(6))
    assert len(note.read_text()) == scheduling.RETRIES + 1


def test_piece_whose_process_is_killed_each_time_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "FEW", 0)
    note = tmp_path / "note"
    with pytest.raises(ShoepairError, match="piece 2: given up after 4 tries: its process died"):
        list(parallel.ordered(partial(die, note=note, times=99), range(6), tell=told))
    assert len(note.read_text()) == scheduling.RETRIES + 1


def test_message_names_the_photos_of_a_piece() -> None:
    files = [Path("data/raw/winter/train") / f"u00{number}_1_left_m.jpg" for number in (1, 2)]
    assert (
        decode_all._named([storage.Listed(path, "") for path in files])
        == "data/raw/winter/train: photos u001_1_left_m.jpg ... u002_1_left_m.jpg"
    )
    assert scan._named(files) == "data/raw/winter/train: files u001_1_left_m.jpg ... u002_1_left_m.jpg"


def test_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parallel.SWITCH, "spark")
    with pytest.raises(ShoepairError, match="SHOEPAIR_ENGINE=spark: no such engine, expected local or ray"):
        list(parallel.ordered(square, range(3), tell=told))
    with parallel.here():
        assert list(parallel.ordered(square, range(3), tell=told)) == [0, 1, 4]


def test_ray_that_is_not_installed_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parallel.SWITCH, "ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ShoepairError, match=r"Ray is not installed\ninstall it: `pip install 'shoepair\[ray\]'`"):
        list(parallel.ordered(square, range(3), tell=told))


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


def worked(make: Callable[[], None], project: Path) -> dict[str, bytes]:
    """What the three stages of a batch write."""
    make()
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    return outputs(project)


def test_outputs_are_the_same_however_the_work_is_split(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = worked(lambda: monkeypatch.setattr(local, "count_cores", lambda: 1), project)
    assert {name for name in one if name.startswith("data")} == {
        f"data/{name}" for name in ("table/tiny.parquet", "valid/tiny.parquet", "signs/tiny.parquet", "store/tiny.h5")
    }

    def small() -> None:
        for module in (decode_all, scan):
            monkeypatch.setattr(module, "PIECE", 6)
        monkeypatch.setattr(local, "count_cores", lambda: 3)

    assert worked(small, project) == one
    assert worked(lambda: monkeypatch.setattr(local, "FEW", 0), project) == one


def test_outputs_are_the_same_on_ray(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    here = worked(lambda: None, project)
    monkeypatch.delenv(ray_cluster.ADDRESS, raising=False)
    monkeypatch.setenv(parallel.SWITCH, "ray")
    monkeypatch.setattr(decode_all, "PIECE", 6)
    try:
        assert worked(lambda: None, project) == here
        assert ray.is_initialized()
        missing = Path("data/raw/tiny/train/u001_1_left_m.jpg")
        missing.rename("elsewhere")
        with pytest.raises(ShoepairError, match=rf"node [0-9.]+: {missing}: No such file") as caught:
            normalize.main("tiny")
        assert "let every node see the project's folder under the same path" in caught.value.fix
        missing.mkdir()
        with pytest.raises(ShoepairError, match=rf"node [0-9.]+: {missing}: Is a directory") as caught:
            normalize.main("tiny")
        assert "the rights and the disk of that node" in caught.value.fix
    finally:
        ray.shutdown()
