"""Nodes of a Ray cluster as network namespaces of this machine: each has an address and can be killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

PORT = 6379
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # else memory use of other programs could end the workers
    # Give up a node without answer after some seconds, not half a minute.
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "5",
}


def skip_without_nodes() -> None:
    """Skip a test if this system allows no network namespaces."""
    pytest.importorskip("ray", reason="Ray is not installed")
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need Linux, root and iproute2")
    name = f"sp{os.getpid()}x"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    subprocess.run(["ip", "netns", "del", name], check=True)


class Nodes:
    """A head node with a network bridge, and other nodes that join it.

    Args:
        folder: of Ray's files; its path must be short for sockets.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.address = f"{self._ip(0)}:{PORT}"

    def start(self, *words: str, changed: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> int:
        """Start one more node; the first one is the head.

        Args:
            words: for `ray start`.
            changed: shell commands that run before it, such as mounts that only this node sees.
            environment: additional variables of this node.

        Returns:
            The number of the node.
        """
        number = len(self.names)
        name = f"sp{os.getpid()}n{number}"
        _run("ip", "netns", "add", name)
        self.names.append(name)
        _run("ip", "-n", name, "link", "set", "lo", "up")
        link = "bridge"
        if number == 0:
            _run("ip", "-n", name, "link", "add", link, "type", "bridge")
        else:
            link, other, head_name = "eth", f"port{number}", self.names[0]
            _run("ip", "link", "add", link, "netns", name, "type", "veth", "peer", other, "netns", head_name)
            _run("ip", "-n", head_name, "link", "set", other, "master", "bridge", "up")
        _run("ip", "-n", name, "address", "add", f"{self._ip(number)}/24", "dev", link)
        _run("ip", "-n", name, "link", "set", link, "up")
        head = ["--head", f"--port={PORT}", "--include-dashboard=false"]
        role = head if number == 0 else [f"--address={self.address}"]
        ray = ["ray", "start", *role, f"--node-ip-address={self._ip(number)}", f"--temp-dir={self.folder / name}"]
        ray += ["--object-store-memory=80000000", "--disable-usage-stats", *words]
        script = " && ".join([*changed, " ".join(ray)])
        with (self.folder / f"{name}.log").open("w") as log:  # no pipe: the processes it starts would hold it open
            command, env = self._within(number, "sh", "-c", script), _environment(environment)
            done = subprocess.run(command, stdout=log, stderr=log, env=env, check=False, timeout=200)
        assert done.returncode == 0, (self.folder / f"{name}.log").read_text()
        return number

    def command(self, *words: str) -> list[str]:
        """Return a command to be run on the head node."""
        return self._within(0, *words)

    def environment(self) -> dict[str, str]:
        """Return the variables of a command that uses this cluster."""
        return _environment({"SHOEPAIR_ENGINE": "ray", "RAY_ADDRESS": self.address})

    def processes(self, number: int) -> set[int]:
        """Return the ids of all processes of a node."""
        return _processes(self.names[number])

    def kill(self, number: int) -> None:
        """End all processes of a node at once, as a power failure would."""
        _kill(self.names[number])

    def remove(self) -> None:
        """End all nodes and remove their namespaces."""
        for name in reversed(self.names):
            _kill(name)
            _run("ip", "netns", "del", name)

    def _within(self, number: int, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.names[number], *words]

    def _ip(self, number: int) -> str:
        return f"10.77.0.{number + 1}"


@contextmanager
def cluster() -> Iterator[Nodes]:
    """Yield a cluster without nodes; its nodes are removed after the block."""
    _sweep()
    with tempfile.TemporaryDirectory(prefix="sp", dir="/tmp", ignore_cleanup_errors=True) as folder:
        nodes = Nodes(Path(folder))
        try:
            yield nodes
        finally:
            nodes.remove()


def _sweep() -> None:
    """Remove the nodes that killed tests left."""
    for name in re.findall(r"^sp\d+n\d+", _run("ip", "netns", "list"), re.MULTILINE):
        if not psutil.pid_exists(int(name[2:].partition("n")[0])):
            _kill(name)
            _run("ip", "netns", "del", name)


def _kill(name: str) -> None:
    """End all processes of a namespace."""
    while processes := _processes(name):
        for process in processes:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _processes(name: str) -> set[int]:
    return set(map(int, _run("ip", "netns", "pids", name).split()))


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | ENVIRONMENT | {"PATH": programs, "PYTHONDONTWRITEBYTECODE": "1"} | dict(more or {})


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
