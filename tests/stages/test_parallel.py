"""Work in pieces: the same results in the same order on threads, on processes and on Ray; what a user is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.field import outputs

from shoepair.ingestion import file_manifest, parallel_decoding
from shoepair.runtime import parallel
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import local, ray_cluster
from stages import ingest, normalize, validate


def worked(make: Callable[[], None], project: Path) -> dict[str, bytes]:
    """What the three stages of a batch write."""
    make()
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    return outputs(project)


def test_outputs_are_the_same_however_the_work_is_split(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = worked(lambda: monkeypatch.setattr(local, "count_cores", lambda: 1), project)
    assert {name for name in one if name.startswith("data")} == {
        f"data/{name}"
        for name in ("manifest/tiny.parquet", "accepted/tiny.parquet", "image_stats/tiny.parquet", "store/tiny.h5")
    }

    def small() -> None:
        monkeypatch.setattr(parallel_decoding, "PHOTOS_PER_TASK", 6)
        monkeypatch.setattr(file_manifest, "FILES_PER_TASK", 6)
        monkeypatch.setattr(local, "count_cores", lambda: 3)

    assert worked(small, project) == one
    assert worked(lambda: monkeypatch.setattr(local, "MAX_THREAD_TASKS", 0), project) == one


def test_outputs_are_the_same_on_ray(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    here = worked(lambda: None, project)
    monkeypatch.delenv(ray_cluster.ADDRESS_VARIABLE, raising=False)
    monkeypatch.setenv(parallel.ENGINE_VARIABLE, "ray")
    monkeypatch.setattr(parallel_decoding, "PHOTOS_PER_TASK", 6)
    try:
        assert worked(lambda: None, project) == here
        assert ray.is_initialized()
        missing = Path("data/raw/tiny/train/u001_1_left_m.jpg")
        missing.rename("elsewhere")
        with pytest.raises(ShoepairError, match=rf"node [0-9.]+: {missing}: No such file") as caught:
            normalize.main("tiny")
        assert "give every node the project folder and its photos under the same path" in caught.value.fix
        missing.mkdir()
        with pytest.raises(ShoepairError, match=rf"node [0-9.]+: {missing}: Is a directory") as caught:
            normalize.main("tiny")
        assert "the permissions and the disk of that node" in caught.value.fix
    finally:
        ray.shutdown()
