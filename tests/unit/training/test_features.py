"""Features of a batch, by a tiny network."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from support import towers

from shoepair.data import loading, pairs, store
from shoepair.data.features_file import FeaturesFile
from shoepair.data.pair_dataset import InMemoryPairs
from shoepair.data.streaming import StreamedPairs
from shoepair.models import devices, registry
from shoepair.models.config import FeaturesConfig, PretrainedConfig
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from shoepair.training import features

NAME = "efficientnet_frozen"
SUBSETS = {"u001": "train", "u002": "test_m"}


def config(augmented: int = 0, models: tuple[str, ...] = (NAME,)) -> FeaturesConfig:
    return FeaturesConfig(models=list(models), augmented=augmented, seed=1, device="cpu", threads=1)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write the store of a batch and return its photos."""
    monkeypatch.chdir(tmp_path)
    towers.use_tiny_network(monkeypatch)
    stored = np.random.default_rng(1).integers(0, 256, (2, 3, 2, 32, 32, 3), np.uint8)
    store.write_store(paths.store_path("a"), list(SUBSETS), stored, 32)
    return stored


def pair_rows() -> pd.DataFrame:
    students = pd.DataFrame({"batch": "a", "student": list(SUBSETS), "row": [0, 1], "split": "train"})
    return pairs.build_pair_rows(students)


def test_features_are_those_that_a_model_computes_of_photos(photos: np.ndarray) -> None:
    assert features.write_features_of_batch("a", SUBSETS, config()) == 2
    model = registry.build_pretrained_model(NAME, PretrainedConfig()).eval()
    with FeaturesFile(paths.features_path("a"), model.stored_names, model.features_kind) as file:
        read = torch.from_numpy(file.read_students([0, 1]))
    shoes = torch.from_numpy(photos).float().sub(127.5).div(255)
    with torch.no_grad():
        expected = model.embed(shoes.flatten(0, 2).movedim(3, 1)).reshape(read.shape)
    torch.testing.assert_close(read.float(), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.usefixtures("photos")
def test_only_students_that_may_be_trained_on_get_augmented_views() -> None:
    features.write_features_of_batch("a", SUBSETS, config(augmented=2))
    model = registry.build_pretrained_model(NAME, PretrainedConfig())
    names = model.stored_names
    with FeaturesFile(paths.features_path("a"), names, model.features_kind, with_augmented=True) as file:
        views = file.read_students([0])[0]  # (3, 2, V, K)
        assert views.shape[2] == 4
        assert not any(np.array_equal(views[:, :, 2], views[:, :, view]) for view in (0, 1, 3))
        with pytest.raises(ShoepairError, match="no augmented views of student 1"):
            file.read_students([1])


@pytest.mark.usefixtures("photos")
def test_streamed_features_are_those_in_memory() -> None:
    features.write_features_of_batch("a", SUBSETS, config())
    model = registry.build_pretrained_model(NAME, PretrainedConfig())
    held, streamed = (
        loading.load_or_stream_features(
            pair_rows(), model.stored_names, model.features_kind, limit, torch.device("cpu")
        )
        for limit in (2**30, 0)
    )
    assert isinstance(held, InMemoryPairs)
    assert isinstance(streamed, StreamedPairs)
    assert streamed.edge == 0
    row = streamed.open_store("a").read_students([1])[0]
    assert np.array_equal(row, held.images[1].numpy())


def test_features_after_a_withdrawal_hold_nothing_of_the_student(photos: np.ndarray) -> None:
    features.write_features_of_batch("a", SUBSETS, config(augmented=1))
    first, gone = SUBSETS
    with h5py.File(paths.features_path("a")) as file:
        marks = [
            data[row, pair, side].tobytes()
            for name, data in file.items()
            if isinstance(data, h5py.Dataset) and data.ndim > 3
            for row in range(file["student"].shape[0])[1:]
            if row < len(data)
            for pair in range(3)
            for side in range(2)
        ]
    before = paths.features_path("a").read_bytes()
    assert marks
    assert all(mark in before for mark in marks)
    store.write_store(paths.store_path("a"), [first], iter(photos[:1]), photos.shape[3])
    features.write_features_of_batch("a", {first: SUBSETS[first]}, config(augmented=1))
    after = paths.features_path("a").read_bytes()
    assert gone.encode() not in after
    assert not any(mark in after for mark in marks)


@pytest.mark.usefixtures("photos")
def test_model_without_a_pretrained_network_is_refused_before_anything_is_written() -> None:
    with pytest.raises(ShoepairError, match=r"pretrained\.models: 'cnn' uses no pretrained network"):
        features.write_features_of_batch("a", SUBSETS, config(models=(NAME, "cnn")))
    assert not paths.features_path("a").exists()


@pytest.mark.usefixtures("photos")
def test_full_accelerator_is_one_line_and_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        message = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB"
        raise torch.OutOfMemoryError(message)

    monkeypatch.setattr(features, "embed_photos", fill)
    with pytest.raises(
        ShoepairError, match=r"^train.device: the accelerator has too little memory \(CUDA out of me"
    ) as caught:
        features.write_features_of_batch("a", SUBSETS, config())
    assert str(caught.value).endswith("or set `train.device: cpu`")
    assert not paths.features_path("a").exists()
    with pytest.raises(KeyError), devices.memory_errors_as_shoepair_error():
        raise KeyError  # other errors pass
