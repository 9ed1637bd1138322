"""Runs tasks in parallel on a Ray cluster. Only this module and `launch` import ray.

The cluster is at `RAY_ADDRESS`. If that is not set, one is started on this machine, and ends with this process. A task
whose worker or node dies is retried. Every node must have the project folder under the same path, on a shared disk.
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

from shoepair.runtime import library_versions
from shoepair.runtime.cores import count_cores
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel.scheduling import TASKS_PER_SLOT, Executor, Resources, iter_ordered_results

ADDRESS_VARIABLE = "RAY_ADDRESS"
PROBE_TIMEOUT = 10  # seconds within which a cluster must answer
VARIABLE_PREFIX = "SHOEPAIR_"  # of the environment variables that are passed to workers
RAY_VARIABLES = {  # read by Ray at its import: print no warning, send no statistics
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
# The first bytes of a gRPC client.
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
POLL_SECONDS = 20  # without a result, after which the nodes are counted again
SETTINGS_FRAME_TYPE = 4  # of the first frame of a gRPC server, in its fourth byte

Task = TypeVar("Task")
Result = TypeVar("Result")


def imap_ordered(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    describe_lost_task: Callable[[Task], str],
    resources: Resources | None,
) -> Iterator[Result]:
    """Run `parallel.imap_ordered` on a Ray cluster."""
    ray = connect_and_import_ray()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(int(node.get("CPU", 0)) for node in nodes):
        message = f"{ADDRESS_VARIABLE}={os.environ.get(ADDRESS_VARIABLE)}: no node of this cluster has a CPU for tasks"
        raise ShoepairError(message, fix="start a node with CPUs: `ray start --address=HOST:PORT`")
    required = node_task_resources(nodes, resources or Resources(1))
    _raise_if_no_slots(ray, required)
    # Without Ray's retries: Ray prints each on the terminal, and retries for ever if memory runs out.
    remote_task = ray.remote(num_cpus=required["CPU"], num_gpus=required.get("GPU", 0), max_retries=0)(
        make_node_task_runner(str(Path.cwd()))
    )
    function_ref = ray.put(function)

    def submit(task: Task) -> Any:
        return remote_task.remote([function_ref, ray.put(task)])  # a list: fetched by the worker, after its imports

    def wait_for_result(handle: Any) -> Result:
        while not ray.wait([handle], timeout=POLL_SECONDS)[0]:
            _raise_if_no_slots(ray, required)
        try:
            failure, value = ray.get(handle)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        if failure:
            raise from_node_failure(failure)
        result: Result = value
        return result

    slots = sum(count_slots(node, required) for node in nodes)
    executor = Executor(submit, wait_for_result, TASKS_PER_SLOT * slots, ray.exceptions.RayError, _explain_death)
    yield from iter_ordered_results(tasks, executor, describe_lost_task)


def node_task_resources(nodes: Sequence[dict[str, float]], resources: Resources) -> dict[str, int]:
    """Return the Ray resources (CPU, GPU) of one task, at most the CPUs of the largest node."""
    max_cores = max(int(node.get("CPU", 0)) for node in nodes)
    return {"CPU": max(1, min(resources.cores, max_cores))} | ({"GPU": 1} if resources.uses_accelerator else {})


def format_resources(resources: dict[str, int]) -> str:
    """Format Ray resources as text, such as "2 CPU and 1 GPU"."""
    return " and ".join(f"{number} {name}" for name, number in resources.items())


def count_slots(available: dict[str, float], required: dict[str, int]) -> int:
    """Count how many tasks fit on a node at a time."""
    return min(int(available.get(name, 0)) // number for name, number in required.items())


def _raise_if_no_slots(ray: Any, required: dict[str, int]) -> None:
    """Raise an error if a task fits on no living node; Ray would wait for a node to join.

    Raises:
        ShoepairError: there is no such node.
    """
    if not any(count_slots(node["Resources"], required) for node in ray.nodes() if node["Alive"]):
        message = f"the cluster has no node left with {format_resources(required)} for a task"
        raise ShoepairError(message, fix="start a node (`ray start --address=HOST:PORT`), then run the command again")


def _explain_death(error: Exception) -> tuple[str, str]:
    """Return the reason of the death of a worker or node, and what to do."""
    if type(error).__name__ == "OutOfMemoryError":
        fix = "give the nodes more memory, or fewer CPUs each (`ray start --num-cpus=1`), then run the command again"
        return "its node ran out of memory", fix
    return str(error).strip().splitlines()[0], "check the nodes with `ray status`, then run the command again"


def make_node_task_runner(project_folder: str) -> Callable[[list[Any]], tuple[Any, Any]]:
    """Return the function that runs a task on a node; nested, so that nodes without this package get its code.

    That function takes references to a function and a task, and returns (failure or None, result).
    """
    names = tuple(library_versions.expected_version_by_library())
    digest = digest_code_and_versions(names)

    def run_task(references: list[Any]) -> tuple[Any, Any]:
        import importlib
        import os
        import sys

        import ray

        node = ray.util.get_node_ip_address()
        try:
            os.chdir(project_folder)
        except OSError as error:
            if not os.environ.get("SHOEPAIR_ROOT"):  # else photos are read from there, not from this folder
                return ("folder", node, f"{project_folder}: {error.strerror}"), None
        if project_folder not in sys.path:
            sys.path.insert(0, project_folder)
        try:
            cluster_module = importlib.import_module("shoepair.runtime.parallel.ray_cluster")
            # A node with other code may lack even this function.
            compute_digest = getattr(cluster_module, "digest_code_and_versions", lambda _names: "")
            if compute_digest(names) != digest:
                return ("code", node, ""), None
            function, task = ray.get(references)
        except ImportError as error:
            return ("package", node, str(error)), None
        try:
            return None, function(task)
        except OSError as error:
            cause = "folder" if isinstance(error, FileNotFoundError) else "system"
            return (cause, node, f"{error.filename}: {error.strerror}" if error.filename else str(error)), None

    return run_task


def from_node_failure(failure: tuple[str, str, str]) -> ShoepairError:
    """Convert the failure of a node (cause, node, text) into a ShoepairError."""
    cause, node, text = failure
    if cause == "folder":
        fix = "give every node the project folder and its photos under the same path, such as on a shared disk"
        return ShoepairError(f"node {node}: {text}", fix=fix)
    if cause == "system":
        fix = "correct the permissions and the disk of that node, then run the command again"
        return ShoepairError(f"node {node}: {text}", fix=fix)
    if cause == "package":
        fix = "install the project on every node: `pip install -e '.[ray]'`, as in requirements-test.lock"
        return ShoepairError(f"node {node}: shoepair cannot be imported there ({text})", fix=fix)
    fix = "bring every node to the same commit and the versions of requirements-test.lock, and restart its Ray"
    message = f"node {node}: its code of shoepair, or of the packages that affect results, differs from this machine's"
    return ShoepairError(message, fix=fix)


@cache
def digest_code_and_versions(library_names: tuple[str, ...]) -> str:
    """Return the SHA-256 of this package's code and of the versions of some libraries, compared on every node."""
    package = Path(__file__).parents[2]  # shoepair
    digest = hashlib.sha256(" ".join(library_versions.installed_version(name) for name in library_names).encode())
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def connect_and_import_ray() -> Any:
    """Connect to the Ray cluster, or start one on this machine, and return the module `ray`.

    Raises:
        ShoepairError: Ray is not installed, no cluster answers, or its version differs.
    """
    for name, value in RAY_VARIABLES.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        import ray
    except ModuleNotFoundError:
        message, fix = "SHOEPAIR_ENGINE=ray: Ray is not installed", "install it: `pip install -e '.[ray]'`"
        raise ShoepairError(message, fix=f"{fix}; or unset SHOEPAIR_ENGINE") from None
    if not ray.is_initialized():
        # Private: the only switch that stops Ray from printing reports of dead nodes; `log_to_driver` does not.
        ray._private.worker._worker_logs_enabled = False
        address = os.environ.get(ADDRESS_VARIABLE)
        variables = {name: value for name, value in os.environ.items() if name.startswith(VARIABLE_PREFIX)}
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": {"env_vars": variables}}
        if not address:
            ray.init("local", num_cpus=count_cores(), include_dashboard=False, **quiet)
            return ray
        _probe(address)
        try:
            ray.init(address, **quiet)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _connection_error(address, error) from None
    return ray


def _probe(address: str) -> None:
    """Check that a gRPC server answers at the address; Ray itself would try for minutes.

    Uses a plain socket: `ray health-check` tries for 40 seconds, and nothing else needs the package grpc.

    Raises:
        ShoepairError: none answers within ten seconds.
    """
    if address == "auto" or os.environ.get("RAY_USE_TLS") == "1":
        return
    host, _, port = address.rpartition(":")
    end = time.monotonic() + PROBE_TIMEOUT
    try:
        with socket.create_connection((host, int(port)), timeout=PROBE_TIMEOUT) as connection:
            connection.settimeout(max(0.1, end - time.monotonic()))  # ten seconds in all
            connection.sendall(HTTP2_PREFACE)
            answer = connection.recv(SETTINGS_FRAME_TYPE)
    except (OSError, ValueError, OverflowError) as error:
        reason = str(error) or type(error).__name__
    else:
        if answer[3:] == bytes([SETTINGS_FRAME_TYPE]):
            return
        reason = "the server there is no Ray cluster"
    message = f"{ADDRESS_VARIABLE}={address}: no Ray cluster ({reason})"
    fix = f"set {ADDRESS_VARIABLE}=HOST:PORT as `ray start --head` prints it, or unset it to use this machine alone"
    raise ShoepairError(message, fix=fix)


def _connection_error(address: str, error: BaseException) -> ShoepairError:
    """Return the ShoepairError for a cluster that answers but cannot be used."""
    reason = " ".join(str(error.__cause__ or error).split())
    if address == "auto":
        fix = f"start Ray on this machine (`ray start --head`), or unset {ADDRESS_VARIABLE}"
        return ShoepairError(f"{ADDRESS_VARIABLE}=auto: no Ray cluster ({reason})", fix=fix)
    fix = "install the same Python and Ray on all nodes: `pip install ray==VERSION`"
    if "ersion mismatch" not in reason:
        fix = f"join this machine to the cluster first: `ray start --address={address}`"
    return ShoepairError(f"{ADDRESS_VARIABLE}={address}: cannot be used ({reason})", fix=fix)
