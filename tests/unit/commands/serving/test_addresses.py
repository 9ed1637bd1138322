"""Addresses that are printed when the server listens."""

from __future__ import annotations

import socket

import pytest

from shoepair.commands.serving import addresses


def printed(host: str, port: int = 8000) -> list[str]:
    lines: list[str] = []
    addresses.print_addresses(host, port, lines.append)
    return lines


def test_this_machine_gets_one_line() -> None:
    assert printed("127.0.0.1") == ["listening at http://127.0.0.1:8000/ (stop with Ctrl-C)"]
    assert printed("::1") == ["listening at http://[::1]:8000/ (stop with Ctrl-C)"]
    assert printed("localhost") == ["listening at http://localhost:8000/ (stop with Ctrl-C)"]


@pytest.mark.parametrize(
    ("host", "found", "url"),
    [
        ("0.0.0.0", "192.168.1.5", "http://192.168.1.5:80/"),
        ("::", "2001:db8::7", "http://[2001:db8::7]:80/"),
    ],
)
def test_all_addresses_get_that_of_the_network_and_its_qr_code(
    monkeypatch: pytest.MonkeyPatch, host: str, found: str, url: str
) -> None:
    monkeypatch.setattr(
        addresses, "find_network_address", lambda *, is_ipv6: found if is_ipv6 == (":" in host) else None
    )
    first, second, code = printed(host, 80)
    assert first.startswith("listening at http://")
    assert f": {url} (" in second
    assert code == addresses.draw_qr_code(url)
    assert len(code.splitlines()) > 10
    assert addresses.draw_qr_code("http://other/") != code


def test_machine_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError

    monkeypatch.setattr(socket, "socket", refuse)
    assert printed("0.0.0.0")[1:] == ["no network: only this machine can open it"]
