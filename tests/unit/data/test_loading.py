"""Loading of splits and pairs; the pairs of one array are in test_store.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from shoepair.data import loading, pair_dataset, pairs, parquet_files, schemas, store
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

RNG = np.random.default_rng(11)
PIXELS = RNG.integers(0, 256, (6, 3, 2, 16, 16, 3), np.uint8)
IN_STORE = {"a": [0, 1, 2], "b": [3, 4, 5]}  # batch -> its students, as rows of PIXELS


@pytest.fixture
def _stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches of three students, in the current directory."""
    monkeypatch.chdir(tmp_path)
    for batch, rows in IN_STORE.items():
        store.write_store(paths.store_path(batch), [f"u{row}" for row in rows], PIXELS[rows], 16)


def write_split(rows: list[tuple[str, int, str]]) -> pd.DataFrame:
    split = pd.DataFrame(rows, columns=["batch", "row", "split"])
    split.insert(1, "student", [f"u{IN_STORE[batch][row]}" for batch, row, _ in rows])
    parquet_files.write_table(paths.SPLIT, split, schemas.StudentSplits)
    return split


@pytest.mark.usefixtures("_stores")
def test_load_split_keeps_the_order_of_the_table_over_batches() -> None:
    write_split([("b", 1, "train"), ("a", 2, "valid"), ("a", 1, "train"), ("b", 0, "train"), ("a", 0, "train")])
    loaded = loading.load_split("train")
    assert loaded.dtype == np.float32
    assert (loaded == store.scale_to_centred_float(PIXELS[[4, 1, 3, 0]])).all()
    assert (loading.load_split("valid") == store.scale_to_centred_float(PIXELS[[2]])).all()


@pytest.mark.usefixtures("_stores")
def test_split_without_students_says_where_to_put_them() -> None:
    write_split([("a", 0, "train")])
    with pytest.raises(ShoepairError, match=r"split 'test_w': no students in it\nput students into the folder test_w"):
        loading.load_split("test_w")


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
def test_stores_of_two_sizes_are_refused() -> None:
    store.write_store(paths.store_path("b"), ["u3", "u4", "u5"], np.zeros((3, 3, 2, 32, 32, 3), np.uint8), 32)
    write_split([("a", 0, "train"), ("b", 0, "train")])
    with pytest.raises(ShoepairError, match=r"data/store: images of 16 and 32 pixels, expected one size\nrun `dvc"):
        loading.load_split("train")


@pytest.mark.usefixtures("_stores")
def test_missing_store_or_split_is_named() -> None:
    with pytest.raises(ShoepairError, match=r"data/split\.parquet: missing\nrun `dvc repro`"):
        loading.load_split("train")
    write_split([("a", 0, "train")])
    paths.store_path("a").unlink()
    with pytest.raises(ShoepairError, match=r"data/store/a\.h5: missing\nrun `dvc repro`"):
        loading.load_split("train")
