"""Loading of pairs as tensors; the pairs of one array are in test_store.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.stored import IN_STORE, PIXELS, write_split, write_two_stores

from shoepair.data import loading, pair_dataset, pairs, schemas, store
from shoepair.runtime.errors import ShoepairError


@pytest.fixture
def _stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_two_stores()


@pytest.mark.usefixtures("_stores")
def test_no_photos_are_loaded_but_those_of_the_pairs_and_none_twice() -> None:
    split = write_split([("a", 1, "train"), ("b", 2, "train"), ("a", 0, "valid")])
    rows = pairs.build_pair_rows(split)
    rows = rows[rows["standard"] & (rows["split"] == "train")]
    data = loading.load_pairs_in_memory(rows)
    assert len(data) == 12
    assert data.images.dtype == torch.uint8
    assert data.images.nbytes == 2 * PIXELS[0].nbytes
    assert (data.images.numpy() == PIXELS[[1, 5]]).all()


@pytest.mark.usefixtures("_stores")
def test_batch_equals_the_slow_plain_way() -> None:
    rows = pairs.build_pair_rows(write_split([("b", 2, "train"), ("a", 1, "train"), ("b", 0, "train")]))
    data = loading.load_pairs_in_memory(rows)
    indices = torch.tensor([26, 3, 3, 0, 17])  # not in order, one twice
    images, labels = data.get_mini_batch(indices)
    assert images.shape == (5, 3, 32, 16)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.dtype == torch.int64
    for image, label, number in zip(images, labels, indices.tolist(), strict=True):
        row = rows.iloc[number]
        student = PIXELS[IN_STORE[row["batch"]][row["row"]]]
        above, below = student[row["left"] - 1, 0], student[row["right"] - 1, 1]
        expected = (np.concatenate([above, below], axis=0).astype(np.float64) / 255 - 0.5).astype(np.float32)
        assert (image.permute(1, 2, 0).numpy() == expected).all()
        assert int(label) == int(row["left"] == row["right"])


def test_every_byte_is_scaled_as_by_the_store() -> None:
    photos = np.resize(np.arange(256, dtype=np.uint8), (1, 3, 2, 16, 16, 3))
    images, _ = pair_dataset.make_standard_pair_dataset(photos).get_mini_batch(torch.tensor([0]))
    above = images[0, :, :16].permute(1, 2, 0).numpy()
    assert (above == store.scale_to_centred_float(photos[0, 0, 0])).all()
    assert len(np.unique(images.numpy())) == 256


def test_upright_picture_stays_upright() -> None:
    shoes = np.zeros((1, 3, 2, 16, 16, 3), np.uint8)
    shoes[0, 0, 0, :4, :, 0] = 255  # left: a red bar at the top
    shoes[0, 0, 1, :, :4, 2] = 255  # right: a blue bar at the left
    images, labels = pair_dataset.make_standard_pair_dataset(shoes).get_mini_batch(torch.tensor([0]))
    expected = torch.full((3, 32, 16), -0.5)
    expected[0, :4, :] = 0.5
    expected[2, 16:, :4] = 0.5
    assert torch.equal(images[0], expected)
    assert int(labels[0]) == schemas.SAME


@pytest.mark.parametrize("photos", [PIXELS.copy(), PIXELS.astype(np.float32)], ids=["bytes", "floats"])
def test_mini_batches_change_no_photo(photos: NDArray[np.uint8] | NDArray[np.float32]) -> None:
    data = pair_dataset.make_standard_pair_dataset(photos)
    first, _ = data.get_mini_batch(torch.arange(len(data)))
    expected = first.clone()
    first.zero_()
    again, _ = data.get_mini_batch(torch.arange(len(data)))
    assert torch.equal(again, expected)
    assert (photos == PIXELS).all()
    assert np.shares_memory(data.images.numpy(), photos), "the photos were copied"


def test_float64_photos_of_a_notebook_are_held_as_float32() -> None:
    data = pair_dataset.make_standard_pair_dataset(store.scale_to_centred_float(PIXELS).astype(np.float64))  # type: ignore[arg-type]  # as notebooks do
    assert data.images.dtype == torch.float32
    assert torch.equal(data.images, torch.from_numpy(store.scale_to_centred_float(PIXELS)))


@pytest.mark.usefixtures("_stores")
@pytest.mark.parametrize("edge", [16, 8])
def test_pairs_read_a_mini_batch_at_a_time_equal_those_in_memory(edge: int) -> None:
    rows = pairs.build_pair_rows(write_split([("b", 2, "train"), ("a", 1, "train"), ("b", 0, "valid")]))
    held, read = loading.load_pairs_in_memory(rows).downsample(edge), loading.stream_pairs(rows).downsample(edge)
    assert torch.equal(held.pair_index, read.pair_index)
    mini_batches = torch.split(torch.arange(len(rows)), 5)
    for one, other in zip(held.iter_pair_photos(mini_batches), read.iter_pair_photos(mini_batches), strict=True):
        assert torch.equal(one, other)


@pytest.mark.usefixtures("_stores")
def test_streaming_refuses_a_store_of_other_students() -> None:
    rows = pairs.build_pair_rows(write_split([("b", 2, "train")])).assign(row=0)
    with pytest.raises(ShoepairError, match=r"data/store/b\.h5: row 0 is "):
        loading.stream_pairs(rows)
