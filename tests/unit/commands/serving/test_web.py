"""`shoepair serve` until it listens; and the files of its page."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

import uvicorn
from support.field import ROOT

from shoepair.commands.serving import predictor, web
from shoepair.commands.serving.connections import RESPONSE_SECONDS, BoundedProtocol
from shoepair.runtime.errors import ShoepairError


class FakePool:
    """Records what is done with it."""

    def __init__(self, count: int) -> None:
        self.events: list[object] = [count]

    def start(self) -> None:
        self.events.append("start")

    def close(self) -> None:
        self.events.append("close")


@dataclass
class Started:
    """Recorded instead of being started."""

    workers: list[FakePool] = field(default_factory=list)
    apps: list[tuple[int, float]] = field(default_factory=list)
    configs: list[uvicorn.Config] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Fake four cores, a trained model, and a server that is interrupted after it listens."""
    record = Started()

    def build(
        _: object, max_requests: int, on_started: Callable[[], object], time_limit: float
    ) -> Callable[[], object]:
        record.apps.append((max_requests, time_limit))
        return on_started

    class Interrupted:
        def __init__(self, config: uvicorn.Config) -> None:
            record.configs.append(config)

        def run(self, sockets: list[socket.socket]) -> None:
            record.sockets += sockets
            record.ports += [listener.getsockname()[1] for listener in sockets]
            on_started: Any = record.configs[-1].app
            on_started()
            raise KeyboardInterrupt

    monkeypatch.setattr(predictor, "load_predictor", lambda: None)
    monkeypatch.setattr(web, "count_cores", lambda: 4)

    def create_pool(count: int) -> FakePool:
        record.workers.append(FakePool(count))
        return record.workers[-1]

    monkeypatch.setattr(web, "WorkerPool", create_pool)
    monkeypatch.setattr(web, "build_app", build)
    monkeypatch.setattr(uvicorn, "Server", Interrupted)
    return record


def test_address_is_printed_after_listening_and_released_at_the_end(started: Started) -> None:
    lines: list[str] = []
    web.serve("127.0.0.1", 0, 8, lines.append)
    (port,) = started.ports
    assert port != 0
    assert lines == [f"listening at http://127.0.0.1:{port}/ (stop with Ctrl-C)"]
    assert [listener.fileno() for listener in started.sockets] == [-1], "closed"


def test_address_of_ip_6_stands_in_brackets(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def create(address: tuple[str, int], family: int) -> socket.socket:
        calls.append((address, family))
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))  # not every machine has IPv6
        return listener

    monkeypatch.setattr(socket, "create_server", create)
    lines: list[str] = []
    web.serve("::1", 8000, 8, lines.append)
    assert calls == [(("::1", 8000), socket.AF_INET6)]
    assert lines == [f"listening at http://[::1]:{started.ports[0]}/ (stop with Ctrl-C)"]


@pytest.mark.parametrize(("max_requests", "processes"), [(1, 1), (4, 4), (64, 4)])
def test_processes_are_at_most_requests_and_cores(started: Started, max_requests: int, processes: int) -> None:
    web.serve("127.0.0.1", 0, max_requests, lambda _: None, 3.5)
    assert [pool.events for pool in started.workers] == [[processes, "start", "close"]]
    assert started.apps == [(max_requests, 3.5)]


@pytest.mark.parametrize(("seconds", "patience"), [(0.2, 1), (7.9, 7)])
def test_server_limits_connections_logs_no_access_sends_no_server_header_and_ends_in_time(
    started: Started, seconds: float, patience: int
) -> None:
    web.serve("127.0.0.1", 0, 1, lambda _: None, seconds)
    (config,) = started.configs
    assert (config.access_log, config.server_header, config.proxy_headers) == (False, False, False)
    assert config.timeout_graceful_shutdown == patience
    assert (config.log_level, config.ws) == ("error", "none")
    protocol: Any = config.http
    assert protocol.func is BoundedProtocol
    assert protocol.keywords["limits"].exchange_seconds == 13 * seconds + RESPONSE_SECONDS


def test_taken_address_is_reported_before_a_process_starts(started: Started) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ShoepairError, match=f"^serve: cannot listen at 127.0.0.1, port {port} ") as error:
            web.serve("127.0.0.1", port, 8, lambda _: None)
    assert error.value.fix == "choose another --port, or --host"
    assert started.workers == []


def test_missing_thresholds_are_reported_before_an_address_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calls: list[object] = []
    monkeypatch.setattr(socket, "create_server", calls.append)
    with pytest.raises(ShoepairError, match=r"^data/decision\.json: missing"):
        web.serve("127.0.0.1", 0, 8, lambda _: None)
    assert calls == []


def test_page_is_part_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert '"shoepair.commands.serving" = ["static/*"]' in text
    assert len(list((ROOT / "shoepair/commands/serving/static").glob("page.*"))) == 3
    assert len(list((ROOT / "shoepair/commands/serving/static").glob("example_*.webp"))) == 2
