"""Addresses of the page: what to open on this machine, and on others of its network, also as a QR code."""

from __future__ import annotations

import io
import ipaddress
import socket
from collections.abc import Callable

ELSEWHERE = ("192.0.2.1", "2001:db8::1")  # of no machine (RFC 5737, RFC 3849); nothing is sent there


def make_url(host: str, port: int) -> str:
    """Return the address of the page at a host."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def print_addresses(host: str, port: int, print_line: Callable[[str], object]) -> None:
    """Print where the server listens; if at all addresses, what phones of the same network open, with its QR code."""
    print_line(f"listening at {make_url(host, port)} (stop with Ctrl-C)")
    if not _is_any_address(host):
        return
    found = find_network_address(is_ipv6=":" in host)
    if found is None:
        print_line("no network: only this machine can open it")
        return
    url = make_url(found, port)
    print_line(f"on a phone in the same network: {url} (no encryption: use it in networks that you trust)")
    print_line(draw_qr_code(url))


def find_network_address(*, is_ipv6: bool) -> str | None:
    """Return this machine's address in the network that leads elsewhere; None without one."""
    family, target = (socket.AF_INET6, ELSEWHERE[1]) if is_ipv6 else (socket.AF_INET, ELSEWHERE[0])
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))  # chooses the address; a datagram socket sends nothing
            address = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if _is_any_address(address) or ipaddress.ip_address(address).is_loopback else address


def draw_qr_code(text: str) -> str:
    """Return a QR code as lines of block characters, dark on light for dark terminals."""
    import segno  # imported late: of the extra `serve`, and needed by few

    lines = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(lines, compact=True)
    return lines.getvalue().rstrip("\n")


def _is_any_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False  # a name
