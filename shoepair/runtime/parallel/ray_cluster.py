"""Work in pieces on a Ray cluster. This module and `group` are the ones that import ray.

The cluster is the one at `RAY_ADDRESS`; where that is not set, one is started on this machine, and ends with this
process. A piece whose worker or machine dies is done anew; this process alone takes the results, in order.
Every machine must have the project's folder under the same path, on a shared disk.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from shoepair.runtime import libraries
from shoepair.runtime.cores import count_cores
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel.scheduling import AHEAD, Room, Workers, in_order

ADDRESS = "RAY_ADDRESS"
SECONDS = 10  # within which a cluster must answer
PASSED_ON = "SHOEPAIR_"  # begins the names of the environment variables that reach the workers
SETTINGS = {  # read by Ray when it is imported: say nothing, send no statistics
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # what a gRPC client says first
PATIENCE = 20  # seconds without a result after which the nodes are counted
SETTINGS_FRAME = 4  # the kind of frame that a gRPC server answers with, told in the fourth byte

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def ordered(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], tell: Callable[[Piece], str], room: Room | None
) -> Iterator[Result]:
    """See `parallel.ordered`."""
    ray = connected()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(int(node.get("CPU", 0)) for node in nodes):
        found = f"{ADDRESS}={os.environ.get(ADDRESS)}: no node of this cluster has a CPU for tasks"
        raise ShoepairError(found, fix="start a node that has: `ray start --address=HOST:PORT`")
    each = taken(nodes, room or Room(1))
    _refuse_without_room(ray, each)
    # Without Ray's own retries: it tells of each on the terminal, and goes on for ever where memory runs out.
    task = ray.remote(num_cpus=each["CPU"], num_gpus=each.get("GPU", 0), max_retries=0)(worker(str(Path.cwd())))
    order = ray.put(work)

    def start(piece: Piece) -> Any:
        return task.remote([order, ray.put(piece)])  # in a list: fetched by the task, when it can import what it needs

    def take(started: Any) -> Result:
        while not ray.wait([started], timeout=PATIENCE)[0]:
            _refuse_without_room(ray, each)
        try:
            fault, result = ray.get(started)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        if fault:
            raise refused(fault)
        done: Result = result
        return done

    at_once = sum(fitting(node, each) for node in nodes)
    workers = Workers(start, take, AHEAD * at_once, ray.exceptions.RayError, _why)
    yield from in_order(pieces, workers, tell)


def taken(nodes: Sequence[dict[str, float]], room: Room) -> dict[str, int]:
    """What a piece takes of a node, by Ray's names; no more cores than any has, or it would wait for ever."""
    most = max(int(node.get("CPU", 0)) for node in nodes)
    return {"CPU": max(1, min(room.cores, most))} | ({"GPU": 1} if room.accelerator else {})


def wanted(each: dict[str, int]) -> str:
    """The same in words."""
    return " and ".join(f"{number} {what}" for what, number in each.items())


def fitting(node: dict[str, float], each: dict[str, int]) -> int:
    """How many pieces a node has room for."""
    return min(int(node.get(what, 0)) // number for what, number in each.items())


def _refuse_without_room(ray: Any, each: dict[str, int]) -> None:
    """Break off where no living node could ever take a piece; Ray would wait for one to join.

    Raises:
        ShoepairError: there is none.
    """
    if not any(fitting(node["Resources"], each) for node in ray.nodes() if node["Alive"]):
        found = f"the cluster has no node left with {wanted(each)} for a piece of work"
        raise ShoepairError(found, fix="start a node (`ray start --address=HOST:PORT`), then run the command again")


def _why(error: Exception) -> tuple[str, str]:
    """What a user is told of a worker or node that died."""
    if type(error).__name__ == "OutOfMemoryError":
        fix = "give the nodes more memory, or fewer CPUs each (`ray start --num-cpus=1`), then run the command again"
        return "its node ran out of memory", fix
    return str(error).strip().splitlines()[0], "look at the nodes with `ray status`, then run the command again"


def worker(root: str) -> Callable[[list[Any]], tuple[Any, Any]]:
    """What a worker does; a function within a function, so that it is sent whole to nodes that lack this package."""
    names = tuple(libraries.expected())
    code = digest(names)

    def do(sent: list[Any]) -> tuple[Any, Any]:
        import importlib
        import os
        import sys

        import ray

        node = ray.util.get_node_ip_address()
        try:
            os.chdir(root)
        except OSError as error:
            if not os.environ.get("SHOEPAIR_ROOT"):  # else the photos are there, and nothing is wanted from here
                return ("folder", node, f"{root}: {error.strerror}"), None
        if root not in sys.path:
            sys.path.insert(0, root)
        try:
            own = importlib.import_module("shoepair.runtime.parallel.ray_cluster").digest(names)
            if own != code:
                return ("code", node, ""), None
            work, piece = ray.get(sent)
        except ImportError as error:
            return ("package", node, str(error)), None
        try:
            return None, work(piece)
        except OSError as error:
            kind = "folder" if isinstance(error, FileNotFoundError) else "system"
            return (kind, node, f"{error.filename}: {error.strerror}" if error.filename else str(error)), None

    return do


def refused(fault: tuple[str, str, str]) -> ShoepairError:
    """What a node lacks, as a message."""
    kind, node, text = fault
    if kind == "folder":
        fix = "let every node see the project's folder under the same path, with its photos, such as on a shared disk"
        return ShoepairError(f"node {node}: {text}", fix=fix)
    if kind == "system":
        fix = "put the rights and the disk of that node in order, then run the command again"
        return ShoepairError(f"node {node}: {text}", fix=fix)
    if kind == "package":
        fix = "install the project on every node: `pip install 'shoepair[ray]'`, as in requirements.lock"
        return ShoepairError(f"node {node}: shoepair cannot be imported there ({text})", fix=fix)
    fix = "bring every node to the same commit and the versions of requirements.lock, and start its Ray again"
    found = f"node {node}: its code of shoepair, or of the packages that results follow from, is another than here"
    return ShoepairError(found, fix=fix)


@cache
def digest(names: tuple[str, ...]) -> str:
    """A digest of this package's code and of these libraries' versions, by which nodes that have others are told."""
    package = Path(__file__).parents[2]  # the whole of shoepair
    total = hashlib.sha256(" ".join(libraries.installed(name) for name in names).encode())
    for path in sorted(package.rglob("*.py")):
        total.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def connected() -> Any:
    """Ray, connected to its cluster; the first time in a process, the connection is made.

    Raises:
        ShoepairError: Ray is not installed, no cluster answers, or it is of another version.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        import ray
    except ModuleNotFoundError:
        found = "SHOEPAIR_ENGINE=ray: Ray is not installed"
        raise ShoepairError(found, fix="install it: `pip install 'shoepair[ray]'`; or unset SHOEPAIR_ENGINE") from None
    if not ray.is_initialized():
        # Private: Ray prints what it tells of dead nodes, whatever `log_to_driver` says, and has no other switch.
        ray._private.worker._worker_logs_enabled = False
        address = os.environ.get(ADDRESS)
        variables = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": {"env_vars": variables}}
        if not address:
            ray.init("local", num_cpus=count_cores(), include_dashboard=False, **quiet)
            return ray
        _knock(address)
        try:
            ray.init(address, **quiet)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _unusable(address, error) from None
    return ray


def _knock(address: str) -> None:
    """Ask whether anything there speaks gRPC: Ray itself would try for minutes.

    By hand, since `ray health-check` tries for 40 seconds, and the package grpc is needed for nothing else.

    Raises:
        ShoepairError: nothing does, within ten seconds.
    """
    if address == "auto" or os.environ.get("RAY_USE_TLS") == "1":
        return
    host, _, port = address.rpartition(":")
    end = time.monotonic() + SECONDS
    try:
        with socket.create_connection((host, int(port)), timeout=SECONDS) as line:
            line.settimeout(max(0.1, end - time.monotonic()))  # of what is left: ten seconds are for all of it
            line.sendall(PREFACE)
            answer = line.recv(SETTINGS_FRAME)
    except (OSError, ValueError, OverflowError) as error:
        why = str(error) or type(error).__name__
    else:
        if answer[3:] == bytes([SETTINGS_FRAME]):
            return
        why = "what answers there is no Ray cluster"
    found = f"{ADDRESS}={address}: no Ray cluster ({why})"
    fix = f"set {ADDRESS}=HOST:PORT as `ray start --head` tells it, or unset it to work on this machine alone"
    raise ShoepairError(found, fix=fix)


def _unusable(address: str, error: BaseException) -> ShoepairError:
    """Why a cluster that answers cannot be used, as a message."""
    why = " ".join(str(error.__cause__ or error).split())
    if address == "auto":
        fix = f"start Ray on this machine (`ray start --head`), or unset {ADDRESS}"
        return ShoepairError(f"{ADDRESS}=auto: no Ray cluster ({why})", fix=fix)
    fix = "install the same Python and Ray on all nodes: `pip install ray==VERSION`"
    if "ersion mismatch" not in why:
        fix = f"join this machine to the cluster first: `ray start --address={address}`"
    return ShoepairError(f"{ADDRESS}={address}: cannot be used ({why})", fix=fix)
