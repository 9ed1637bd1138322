"""Resources of tasks on a cluster, failures of nodes, and the probe of the address; without Ray."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.runtime import library_versions
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import ray_cluster
from shoepair.runtime.parallel.scheduling import Resources


@pytest.mark.parametrize(
    ("nodes", "resources", "expected"),
    [
        ([{"CPU": 8.0}, {"CPU": 2.0}], Resources(4), {"CPU": 4}),
        ([{"CPU": 2.0}, {"CPU": 3.0}], Resources(4), {"CPU": 3}),
        ([{"CPU": 2.0}], Resources(1, memory_bytes=2**40, uses_accelerator=True), {"CPU": 1, "GPU": 1}),
        ([{"GPU": 4.0}], Resources(2), {"CPU": 1}),
    ],
)
def test_task_takes_no_more_cores_than_the_largest_node_has(
    nodes: list[dict[str, float]], resources: Resources, expected: dict[str, int]
) -> None:
    assert ray_cluster.node_task_resources(nodes, resources) == expected


def test_resources_are_formatted_as_text() -> None:
    assert ray_cluster.format_resources({"CPU": 4}) == "4 CPU"
    assert ray_cluster.format_resources({"CPU": 2, "GPU": 1}) == "2 CPU and 1 GPU"


@given(
    st.dictionaries(st.sampled_from(["CPU", "GPU", "memory"]), st.integers(0, 40).map(float)),
    st.dictionaries(st.sampled_from(["CPU", "GPU"]), st.integers(1, 5), min_size=1),
)
@settings(max_examples=50, deadline=None)
def test_node_has_room_for_its_slots_and_not_for_one_more(node: dict[str, float], required: dict[str, int]) -> None:
    count = ray_cluster.count_slots(node, required)
    assert all(count * number <= node.get(name, 0) for name, number in required.items())
    assert any((count + 1) * number > node.get(name, 0) for name, number in required.items())


@pytest.mark.parametrize(
    ("cause", "message", "fix"),
    [
        ("folder", "node 10.0.0.7: a.jpg: gone", "give every node the project folder and its photos"),
        ("system", "node 10.0.0.7: a.jpg: gone", "correct the permissions and the disk of that node"),
        ("package", "node 10.0.0.7: shoepair cannot be imported there (a.jpg: gone)", "install the project on every"),
        ("code", "node 10.0.0.7: its code of shoepair, or of the packages", "bring every node to the same commit"),
    ],
)
def test_node_that_cannot_work_is_named_with_what_it_lacks(cause: str, message: str, fix: str) -> None:
    error = ray_cluster.from_node_failure((cause, "10.0.0.7", "a.jpg: gone"))
    assert error.message.startswith(message)
    assert error.fix.startswith(fix)


def write_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a package of two modules that replaces this one; return the path of one of them."""
    for name in ("runtime/parallel/ray_cluster.py", "models/cnn.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")
    monkeypatch.setattr(ray_cluster, "__file__", str(folder / "runtime/parallel/ray_cluster.py"))
    monkeypatch.setattr(library_versions, "installed_version", {"numpy": "2.4", "torch": "2.13"}.__getitem__)
    return folder / "models/cnn.py"


def test_digest_changes_with_the_code_and_with_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = ray_cluster.digest_code_and_versions.__wrapped__  # without cache, as in another process
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
    monkeypatch.setattr(library_versions, "installed_version", {"numpy": "2.4", "torch": "2.14"}.__getitem__)
    assert len({first, changed, renamed, gone, digest(("numpy", "torch"))}) == 5


def test_digest_does_not_depend_on_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for name in ("first", "second"):
        write_package(tmp_path / name, monkeypatch)
        (tmp_path / name / "models/__pycache__").mkdir()
        (tmp_path / name / f"models/__pycache__/{name}.pyc").write_text(name)
        digests.append(ray_cluster.digest_code_and_versions.__wrapped__(("numpy",)))
    assert digests[0] == digests[1]


@contextmanager
def serving(answer: bytes, received: list[bytes]) -> Iterator[str]:
    """Yield the address of a server that receives from one client and sends `answer`."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            received.append(connection.recv(100))
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_server_that_speaks_grpc_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    received: list[bytes] = []
    with serving(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), received) as address:
        ray_cluster._probe(address)
    assert received == [ray_cluster.HTTP2_PREFACE]


@pytest.mark.parametrize("answer", [b"", b"\0\0\0", bytes([0, 0, 0, 5, 0]), b"SSH-2.0\r\n"])
def test_anything_else_that_answers_is_refused(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    with (
        serving(answer, []) as address,
        pytest.raises(ShoepairError, match=rf"^RAY_ADDRESS={address}: no Ray cluster \(the server there is no Ray"),
    ):
        ray_cluster._probe(address)


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:port", "localhost"])
def test_address_that_cannot_be_is_refused_with_what_to_set(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USE_TLS", raising=False)
    with pytest.raises(ShoepairError, match=f"^RAY_ADDRESS={address}: no Ray cluster") as caught:
        ray_cluster._probe(address)
    assert caught.value.fix.startswith("set RAY_ADDRESS=HOST:PORT")


def test_address_that_ray_finds_itself_or_encrypts_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket, "create_connection", called)
    ray_cluster._probe("auto")
    monkeypatch.setenv("RAY_USE_TLS", "1")
    ray_cluster._probe("127.0.0.1:6379")


@pytest.mark.parametrize(
    ("address", "error", "message", "fix"),
    [
        ("auto", ConnectionError("no\n head"), "auto: no Ray cluster (no head)", "start Ray on this machine"),
        ("h:1", RuntimeError("Version mismatch: 2.0"), "h:1: cannot be used (Version", "install the same Python and"),
        ("h:1", RuntimeError("no raylet"), "h:1: cannot be used (no raylet)", "join this machine to the cluster"),
    ],
)
def test_cluster_that_cannot_be_used_is_reported_with_the_fix(
    address: str, error: Exception, message: str, fix: str
) -> None:
    user_error = ray_cluster._connection_error(address, error)
    assert user_error.message.startswith(f"RAY_ADDRESS={message}")
    assert user_error.fix.startswith(fix)
