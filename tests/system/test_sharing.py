"""Sharing by a DVC remote, a folder and an SSH server: push, clone, pull; only synthetic students are drawn anew."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support import buckets
from support.commands import Run, ran
from support.field import outputs
from support.ssh_servers import Server
from support.ssh_servers import server as server  # a fixture


def test_clone_and_pull_leaves_only_the_synthetic_students_to_draw(trained: Path, run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run("dvc", "remote", "add", "-q", "--default", "store", str(tmp_path / "remote"))
    run("git", "commit", "-q", "-a", "-m", "Add the store")
    run("dvc", "push", "-q")
    wanted = outputs(trained)
    run("git", "clone", "-q", str(trained), str(other))
    shutil.rmtree(trained / ".dvc/cache")
    told = run("sh", "-c", f"cd '{other}' && dvc pull -q && python -m shoepair verify").stdout
    assert "data/synthetic/synthetic.h5: not here, DVC does not cache it; `dvc repro` makes it anew\n" in told
    assert ran(run("sh", "-c", f"cd '{other}' && dvc repro").stdout) == {"synthetic"}
    assert outputs(other) == wanted


def test_clone_and_pull_over_ssh_leaves_only_the_synthetic_students_to_draw(
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
    assert ran(run("sh", "-c", f"cd '{other}' && dvc pull -q && dvc repro").stdout) == {"synthetic"}
    assert outputs(other) == wanted


def test_clone_and_pull_from_a_bucket_leaves_only_the_synthetic_students_to_draw(
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
        done = run("sh", "-c", f"cd '{other}' && dvc pull -q && dvc repro && dvc status")
    buckets.forget()
    assert "up to date" in done.stdout.splitlines()[-1]
    assert ran(done.stdout) == {"synthetic"}
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
