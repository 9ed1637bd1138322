"""A local S3 server, and classes in its buckets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest
import requests

from shoepair.runtime import storage

BUCKET = "shoes"
ROOT = f"s3://{BUCKET}/class"


@contextmanager
def serving() -> Iterator[str]:
    """Start a local S3 server, with no buckets in it, and yield its address."""
    server = pytest.importorskip("moto.server", reason="no moto: the extra `dev` has it")
    pytest.importorskip("s3fs", reason="no s3fs: the extra `s3` has it")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line per request
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        requests.post(f"{endpoint}/moto-api/reset", timeout=5).raise_for_status()  # servers of a process share buckets
        yield endpoint
    finally:
        running.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a local S3 server, shared by the tests of a file."""
    with serving() as endpoint:
        yield endpoint


def use(patch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Point S3's library to this server, with fake keys; forget earlier connections."""
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    no_files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "no-such-file")
    for name, value in (keys | no_files | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        patch.setenv(name, value)
    patch.setenv("AWS_ENDPOINT_URL", endpoint)
    forget()


def forget() -> None:
    """Clear the cached connections of this process."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    storage._file_system.cache_clear()


def system() -> Any:
    """Return the server's file system of fsspec."""
    return fsspec.filesystem("s3")


def upload(project: Path) -> None:
    """Upload photos and stores of a project to `ROOT`, as `aws s3 sync` does."""
    bucket_system = system()
    bucket_system.mkdirs(BUCKET, exist_ok=True)
    for folder in storage.REMOTE_FOLDERS:
        for path in sorted((project / folder).rglob("*")):
            if path.is_file():
                bucket_system.pipe_file(f"{ROOT}/{path.relative_to(project).as_posix()}", path.read_bytes())
