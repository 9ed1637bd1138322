"""Stages whose photos and stores come from a bucket write what they write from the project's folder, byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from support import buckets
from support.buckets import server as server  # a fixture
from support.commands import Run
from support.field import outputs
from torch import Tensor

from shoepair.data import loading, streaming
from shoepair.models import registry
from shoepair.runtime import paths, storage
from shoepair.runtime.errors import ShoepairError
from shoepair.training import config, loop
from stages import ingest, normalize, validate

EDGE = 32


@pytest.fixture
def endpoint(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    buckets.use(monkeypatch, server)
    yield server
    buckets.system().rm(buckets.BUCKET, recursive=True)
    buckets.forget()


@pytest.mark.usefixtures("endpoint")
def test_photos_from_a_bucket_give_the_same_bytes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    wanted = outputs(project)
    assert len(wanted) >= 5
    buckets.upload(project)
    monkeypatch.setenv(storage.ROOT_VARIABLE, buckets.ROOT)
    ingest.main("tiny")
    shutil.rmtree(project / paths.raw_path("tiny"))  # what follows can only come from the bucket
    for stage, folder in ((validate, "data/accepted"), (validate, "data/image_stats"), (normalize, "data/store")):
        shutil.rmtree(project / folder)
        stage.main("tiny")
    assert outputs(project) == wanted


@pytest.mark.usefixtures("endpoint")
def test_photo_that_was_changed_since_it_was_uploaded_stops_the_stage(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = paths.raw_path("tiny") / "train/u008_2_right_m.jpg"
    buckets.upload(project)
    monkeypatch.setenv(storage.ROOT_VARIABLE, buckets.ROOT)
    photo.write_bytes(photo.read_bytes() + b"0")  # another digest; the picture is the same
    ingest.main("tiny")
    with pytest.raises(
        ShoepairError, match=rf"^{buckets.ROOT}/{photo}: not the photo that was listed: found .*, expected .*\n"
    ):
        validate.main("tiny")
    assert not (project / paths.accepted_path("tiny")).exists()


@pytest.mark.usefixtures("endpoint")
def test_workers_of_a_cluster_read_the_bucket(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="no ray: the extra `ray` has it")
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    wanted = outputs(project)
    buckets.upload(project)
    shutil.rmtree(project / paths.raw_path("tiny"))
    for folder in ("data/accepted", "data/image_stats", "data/store"):
        shutil.rmtree(project / folder)
    monkeypatch.setenv(storage.ROOT_VARIABLE, buckets.ROOT)
    monkeypatch.setenv("SHOEPAIR_ENGINE", "ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    run("python", "-m", "stages.validate", "tiny")
    run("python", "-m", "stages.normalize", "tiny")
    assert outputs(project) == wanted


def trained(rows: pd.DataFrame, memory: int) -> list[Tensor]:
    """The weights after an epoch over the pairs."""
    data = loading.load_or_stream_pairs(rows, EDGE, memory, torch.device("cpu"))
    assert isinstance(data, streaming.StreamedPairs) is (memory == 0)
    model = registry.build_model("cnn_channel", registry.ModelConfig(n=2, edge=EDGE), 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    assert len(list(loop.iter_training_steps(model, data, optimizer, config.TrainConfig(epochs=1, batch_size=12)))) > 1
    return list(model.state_dict().values())


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("memory", [0, 2**30], ids=["streamed", "in memory"])
def test_stores_from_a_bucket_give_the_same_weights(
    rows: pd.DataFrame, memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = trained(rows, 2**30)
    buckets.upload(tmp_path)
    monkeypatch.setenv(storage.ROOT_VARIABLE, buckets.ROOT)
    shutil.rmtree(tmp_path / "data/store")
    assert all(torch.equal(one, other) for one, other in zip(trained(rows, memory), wanted, strict=True))
