"""What a piece takes of a cluster, what its nodes lack, and who answers at its address; without Ray."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.runtime import libraries
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import ray_cluster
from shoepair.runtime.parallel.scheduling import Room


@pytest.mark.parametrize(
    ("nodes", "room", "expected"),
    [
        ([{"CPU": 8.0}, {"CPU": 2.0}], Room(4), {"CPU": 4}),
        ([{"CPU": 2.0}, {"CPU": 3.0}], Room(4), {"CPU": 3}),
        ([{"CPU": 2.0}], Room(1, memory=2**40, accelerator=True), {"CPU": 1, "GPU": 1}),
        ([{"GPU": 4.0}], Room(2), {"CPU": 1}),
    ],
)
def test_piece_takes_no_more_cores_than_the_largest_node_has(
    nodes: list[dict[str, float]], room: Room, expected: dict[str, int]
) -> None:
    assert ray_cluster.taken(nodes, room) == expected


def test_what_is_wanted_is_told_in_words() -> None:
    assert ray_cluster.wanted({"CPU": 4}) == "4 CPU"
    assert ray_cluster.wanted({"CPU": 2, "GPU": 1}) == "2 CPU and 1 GPU"


@given(
    st.dictionaries(st.sampled_from(["CPU", "GPU", "memory"]), st.integers(0, 40).map(float)),
    st.dictionaries(st.sampled_from(["CPU", "GPU"]), st.integers(1, 5), min_size=1),
)
@settings(max_examples=50, deadline=None)
def test_node_has_room_for_so_many_pieces_and_not_for_one_more(node: dict[str, float], each: dict[str, int]) -> None:
    count = ray_cluster.fitting(node, each)
    assert all(count * number <= node.get(what, 0) for what, number in each.items())
    assert any((count + 1) * number > node.get(what, 0) for what, number in each.items())


@pytest.mark.parametrize(
    ("kind", "found", "fix"),
    [
        ("folder", "node 10.0.0.7: a.jpg: gone", "let every node see the project's folder under the same path"),
        ("system", "node 10.0.0.7: a.jpg: gone", "put the rights and the disk of that node in order"),
        ("package", "node 10.0.0.7: shoepair cannot be imported there (a.jpg: gone)", "install the project on every"),
        ("code", "node 10.0.0.7: its code of shoepair, or of the packages", "bring every node to the same commit"),
    ],
)
def test_node_that_cannot_work_is_named_with_what_it_lacks(kind: str, found: str, fix: str) -> None:
    error = ray_cluster.refused((kind, "10.0.0.7", "a.jpg: gone"))
    assert error.found.startswith(found)
    assert error.fix.startswith(fix)


def write_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two rooms in the place of this one."""
    for name in ("runtime/parallel/ray_cluster.py", "models/cnn.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")
    monkeypatch.setattr(ray_cluster, "__file__", str(folder / "runtime/parallel/ray_cluster.py"))
    monkeypatch.setattr(libraries, "installed", {"numpy": "2.4", "torch": "2.13"}.__getitem__)
    return folder / "models/cnn.py"


def test_digest_tells_any_change_of_the_code_or_of_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = ray_cluster.digest.__wrapped__  # as if each were another process
    other = write_package(tmp_path / "shoepair", monkeypatch)
    first = digest(("numpy", "torch"))
    assert digest(("numpy", "torch")) == first
    assert digest(("numpy",)) != first
    other.write_text("# changed\n")
    changed = digest(("numpy", "torch"))
    other.rename(other.with_name("cnn2.py"))
    renamed = digest(("numpy", "torch"))
    other.with_name("cnn2.py").unlink()
    gone = digest(("numpy", "torch"))
    monkeypatch.setattr(libraries, "installed", {"numpy": "2.4", "torch": "2.14"}.__getitem__)
    assert len({first, changed, renamed, gone, digest(("numpy", "torch"))}) == 5


def test_digest_does_not_tell_where_the_package_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for place in ("here", "there"):
        write_package(tmp_path / place, monkeypatch)
        (tmp_path / place / "models/__pycache__").mkdir()
        (tmp_path / place / f"models/__pycache__/{place}.pyc").write_text(place)
        found.append(ray_cluster.digest.__wrapped__(("numpy",)))
    assert found[0] == found[1]


@contextmanager
def answering(answer: bytes, heard: list[bytes]) -> Iterator[str]:
    """An address where one client is heard and answered."""

    def serve() -> None:
        line, _ = server.accept()
        with line:
            heard.append(line.recv(100))
            line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_cluster_that_speaks_grpc_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    heard: list[bytes] = []
    with answering(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), heard) as address:
        ray_cluster._knock(address)
    assert heard == [ray_cluster.PREFACE]


@pytest.mark.parametrize("answer", [b"", b"\0\0\0", bytes([0, 0, 0, 5, 0]), b"SSH-2.0\r\n"])
def test_anything_else_that_answers_is_refused(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    with (
        answering(answer, []) as address,
        pytest.raises(ShoepairError, match=rf"^RAY_ADDRESS={address}: no Ray cluster \(what answers there is no Ray"),
    ):
        ray_cluster._knock(address)


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:port", "localhost"])
def test_address_that_cannot_be_is_refused_with_what_to_set(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    with pytest.raises(ShoepairError, match=f"^RAY_ADDRESS={address}: no Ray cluster") as caught:
        ray_cluster._knock(address)
    assert caught.value.fix.startswith("set RAY_ADDRESS=HOST:PORT")


def test_address_that_ray_finds_itself_or_encrypts_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket, "create_connection", called)
    ray_cluster._knock("auto")
    monkeypatch.setenv("RAY_USE_TLS", "1")
    ray_cluster._knock("127.0.0.1:6379")


@pytest.mark.parametrize(
    ("address", "error", "found", "fix"),
    [
        ("auto", ConnectionError("no\n head"), "auto: no Ray cluster (no head)", "start Ray on this machine"),
        ("h:1", RuntimeError("Version mismatch: 2.0"), "h:1: cannot be used (Version", "install the same Python and"),
        ("h:1", RuntimeError("no raylet"), "h:1: cannot be used (no raylet)", "join this machine to the cluster"),
    ],
)
def test_cluster_that_cannot_be_used_is_told_with_the_remedy(
    address: str, error: Exception, found: str, fix: str
) -> None:
    told = ray_cluster._unusable(address, error)
    assert told.found.startswith(f"RAY_ADDRESS={found}")
    assert told.fix.startswith(fix)
