"""A server of the test's own that answers as S3 does, and classes in its buckets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest

from shoepair.runtime import storage

BUCKET = "shoes"
ROOT = f"s3://{BUCKET}/class"


@contextmanager
def serving() -> Iterator[str]:
    """Its address."""
    server = pytest.importorskip("moto.server", reason="no moto: the extra `dev` has it")
    pytest.importorskip("s3fs", reason="no s3fs: the extra `s3` has it")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would write a line for every request
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        running.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that the tests of a file share."""
    with serving() as endpoint:
        yield endpoint


def use(patch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Let S3's library meet this server and no other, with keys that mean nothing; forget what it met before."""
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    nothing_else = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "no-such-file")
    for name, value in (keys | nothing_else | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        patch.setenv(name, value)
    patch.setenv("AWS_ENDPOINT_URL", endpoint)
    forget()


def forget() -> None:
    """What was met stays open for a process; a test meets others."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    storage._system.cache_clear()


def system() -> Any:
    """The server, as fsspec sees it."""
    return fsspec.filesystem("s3")


def upload(project: Path) -> None:
    """Photos and stores of a project to `ROOT`, as `aws s3 sync` does."""
    there = system()
    there.mkdirs(BUCKET, exist_ok=True)
    for folder in storage.SHARED:
        for path in sorted((project / folder).rglob("*")):
            if path.is_file():
                there.pipe_file(f"{ROOT}/{path.relative_to(project).as_posix()}", path.read_bytes())
