"""Sharing by a DVC remote, a folder and an SSH server: push, clone elsewhere, pull, and nothing is left to run."""

from __future__ import annotations

import getpass
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import buckets
from support.commands import Run, ran
from support.field import outputs

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


def test_clone_and_pull_leaves_nothing_to_run(trained: Path, run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run("dvc", "remote", "add", "-q", "--default", "store", str(tmp_path / "remote"))
    run("git", "commit", "-q", "-a", "-m", "Add the store")
    run("dvc", "push", "-q")
    wanted = outputs(trained)
    run("git", "clone", "-q", str(trained), str(other))
    shutil.rmtree(trained / ".dvc/cache")
    assert ran(run("sh", "-c", f"cd '{other}' && dvc pull -q && dvc repro").stdout) == set()
    assert outputs(other) == wanted


def test_clone_and_pull_over_ssh_leaves_nothing_to_run(
    trained: Path, run: Run, tmp_path: Path, server: Server
) -> None:
    remote, other = tmp_path / "remote", tmp_path / "other"
    run("dvc", "remote", "add", "-q", "--default", "store", server.url(remote))
    run("dvc", "remote", "modify", "-q", "--local", "store", "keyfile", str(server.key))
    run("git", "commit", "-q", "-a", "-m", "Add the store")
    run("dvc", "push", "-q")
    wanted = outputs(trained)
    assert len(list(remote.rglob("*"))) > len(wanted), "nothing came to the server"
    run("git", "clone", "-q", str(trained), str(other))
    shutil.rmtree(trained / ".dvc/cache")
    shutil.copyfile(trained / ".dvc/config.local", other / ".dvc/config.local")  # whose key it is, git does not know
    assert ran(run("sh", "-c", f"cd '{other}' && dvc pull -q && dvc repro").stdout) == set()
    assert outputs(other) == wanted


def test_clone_and_pull_from_a_bucket_leaves_nothing_to_run(
    trained: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dvc_s3", reason="no dvc_s3: the extra `s3` has it")
    other = tmp_path / "other"
    with buckets.serving() as endpoint:
        buckets.use(monkeypatch, endpoint)
        buckets.system().mkdir(buckets.BUCKET)
        run("dvc", "remote", "add", "-q", "--default", "store", f"s3://{buckets.BUCKET}/dvc")
        run("git", "commit", "-q", "-a", "-m", "Add the store")
        run("dvc", "push", "-q")
        wanted = outputs(trained)
        assert len(buckets.system().find(buckets.BUCKET)) > len(wanted), "nothing came to the bucket"
        run("git", "clone", "-q", str(trained), str(other))
        shutil.rmtree(trained / ".dvc/cache")
        done = run("sh", "-c", f"cd '{other}' && dvc pull -q && dvc status && dvc repro")
    buckets.forget()
    assert "up to date" in done.stdout.splitlines()[0]
    assert ran(done.stdout) == set()
    assert outputs(other) == wanted


def test_server_that_is_gone_or_does_not_let_in_is_an_error_and_loses_nothing(
    repository: Path, run: Run, tmp_path: Path, server: Server
) -> None:
    run("dvc", "remote", "add", "-q", "--default", "store", server.url(tmp_path / "remote"))
    before = outputs(repository)
    assert re.search("Permission denied|authentication failures", run("dvc", "push", status=255).stderr)
    server.process.kill()
    server.process.wait()
    assert "Connect call failed" in run("dvc", "push", status=255).stderr
    assert not (tmp_path / "remote").exists()
    assert outputs(repository) == before


def test_byte_that_flipped_in_the_remote_is_refused_where_the_remote_is_verified(
    repository: Path, run: Run, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    run("dvc", "remote", "add", "-q", "--default", "store", str(remote))
    run("dvc", "remote", "modify", "-q", "store", "verify", "true")
    run("dvc", "push", "-q")
    photo = (repository / "data/raw/tiny/train/u001_1_left_m.jpg").read_bytes()
    victim = next(path for path in remote.rglob("*") if path.is_file() and path.read_bytes() == photo)
    victim.chmod(0o644)
    victim.write_bytes(photo[:-1] + b"x")
    shutil.rmtree(repository / ".dvc/cache")
    shutil.rmtree(repository / "data/raw/tiny")
    run("dvc", "pull", "-q", status=1)
    assert not (repository / "data/raw/tiny/train/u001_1_left_m.jpg").exists()
