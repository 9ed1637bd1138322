"""`shoepair serve` up to the moment from which it would answer, and that its page is part of the package."""

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
from shoepair.runtime.errors import ShoepairError


@dataclass
class Noted:
    """What would have been started."""

    workers: list[tuple[int, float]] = field(default_factory=list)
    apps: list[tuple[int, float]] = field(default_factory=list)
    configs: list[uvicorn.Config] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """A machine of four cores and a trained network, on which a server says that it listens and is interrupted."""
    found = Noted()

    def build(_: object, at_once: int, started: Callable[[], object], seconds: float) -> Callable[[], object]:
        found.apps.append((at_once, seconds))
        return started

    class Interrupted:
        def __init__(self, config: uvicorn.Config) -> None:
            found.configs.append(config)

        def run(self, sockets: list[socket.socket]) -> None:
            found.sockets += sockets
            found.ports += [place.getsockname()[1] for place in sockets]
            started: Any = found.configs[-1].app
            started()
            raise KeyboardInterrupt

    monkeypatch.setattr(predictor, "appoint", lambda: None)
    monkeypatch.setattr(web, "count_cores", lambda: 4)
    monkeypatch.setattr(web, "Workers", lambda *given: found.workers.append(given))
    monkeypatch.setattr(web, "build", build)
    monkeypatch.setattr(uvicorn, "Server", Interrupted)
    return found


def test_address_is_told_once_it_listens_and_given_back_at_the_end(noted: Noted) -> None:
    lines: list[str] = []
    web.serve("127.0.0.1", 0, 8, lines.append)
    (port,) = noted.ports
    assert port != 0
    assert lines == [f"listening at http://127.0.0.1:{port}/ (Ctrl-C ends it)"]
    assert [place.fileno() for place in noted.sockets] == [-1], "closed"


def test_address_of_ip_6_stands_in_brackets(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def create(address: tuple[str, int], family: int) -> socket.socket:
        asked.append((address, family))
        place = socket.socket()
        place.bind(("127.0.0.1", 0))  # not every machine has the other kind
        return place

    monkeypatch.setattr(socket, "create_server", create)
    lines: list[str] = []
    web.serve("::1", 8000, 8, lines.append)
    assert asked == [(("::1", 8000), socket.AF_INET6)]
    assert lines == [f"listening at http://[::1]:{noted.ports[0]}/ (Ctrl-C ends it)"]


@pytest.mark.parametrize(("at_once", "processes"), [(1, 1), (4, 4), (64, 4)])
def test_processes_are_no_more_than_questions_and_no_more_than_cores(
    noted: Noted, at_once: int, processes: int
) -> None:
    web.serve("127.0.0.1", 0, at_once, lambda _: None, 3.5)
    assert noted.workers == [(processes, 3.5)]
    assert noted.apps == [(at_once, 3.5)]


@pytest.mark.parametrize(("seconds", "patience"), [(0.2, 1), (7.9, 7)])
def test_server_logs_nobody_names_no_program_and_ends_in_time(noted: Noted, seconds: float, patience: int) -> None:
    web.serve("127.0.0.1", 0, 1, lambda _: None, seconds)
    (config,) = noted.configs
    assert (config.access_log, config.server_header, config.proxy_headers) == (False, False, False)
    assert config.timeout_graceful_shutdown == patience


def test_address_that_is_taken_is_told_before_a_process_starts(noted: Noted) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ShoepairError, match=f"^serve: cannot listen at 127.0.0.1, port {port} ") as error:
            web.serve("127.0.0.1", port, 8, lambda _: None)
    assert error.value.fix == "choose another --port, or --host"
    assert noted.workers == []


def test_project_without_a_decision_is_told_before_an_address_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[object] = []
    monkeypatch.setattr(socket, "create_server", asked.append)
    with pytest.raises(ShoepairError, match=r"^data/decision\.json: missing"):
        web.serve("127.0.0.1", 0, 8, lambda _: None)
    assert asked == []


def test_page_is_part_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert '"shoepair.commands.serving" = ["static/*"]' in text
    assert len(list((ROOT / "shoepair/commands/serving/static").glob("page.*"))) == 3
