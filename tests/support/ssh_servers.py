"""A local SSH server with throw-away keys."""

from __future__ import annotations

import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
WAIT = 20  # seconds that a server may take to start
# No option of the system's own server holds here: the test's folder has the keys, and its owner alone may come in.
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Server:
    """A running OpenSSH server of the test's own."""

    process: subprocess.Popen[bytes]
    port: int
    key: Path

    def url(self, folder: Path) -> str:
        """A folder on it, as DVC writes it."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{folder}"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A real OpenSSH server on a free port of the loopback, with throw-away keys."""
    if SSHD is None:
        pytest.skip("no sshd: Debian's package openssh-server has it")
    if importlib.util.find_spec("dvc_ssh") is None:
        pytest.skip("no dvc_ssh: the extra `ssh` has it")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    monkeypatch.setenv("HOME", str(folder))  # no key or setting of the user's own takes part
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # the server wants it when it runs as root; a started machine has it
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE)
    try:
        _wait_for(process, port)
        yield Server(process, port, folder / "key")
    finally:
        process.kill()
        process.communicate()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Until the server answers; its own words if it gave up."""
    for _ in range(WAIT * 20):
        assert process.poll() is None, process.communicate()[1].decode()
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"sshd did not answer within {WAIT} s")
