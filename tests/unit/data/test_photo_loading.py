"""Loading of photos and pairs as NumPy arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.stored import PIXELS, write_split, write_two_stores

from shoepair.data import loading, pairs, photo_loading, store
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


@pytest.fixture
def _stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_two_stores()


@pytest.mark.usefixtures("_stores")
def test_load_split_keeps_the_order_of_the_table_over_batches() -> None:
    write_split([("b", 1, "train"), ("a", 2, "valid"), ("a", 1, "train"), ("b", 0, "train"), ("a", 0, "train")])
    loaded = photo_loading.load_split("train")
    assert loaded.dtype == np.float32
    assert (loaded == store.scale_to_centred_float(PIXELS[[4, 1, 3, 0]])).all()
    assert (photo_loading.load_split("valid") == store.scale_to_centred_float(PIXELS[[2]])).all()


@pytest.mark.usefixtures("_stores")
def test_split_without_students_says_where_to_put_them() -> None:
    write_split([("a", 0, "train")])
    with pytest.raises(ShoepairError, match=r"split 'test_w': no students in it\nput students into the folder test_w"):
        photo_loading.load_split("test_w")


@pytest.mark.usefixtures("_stores")
def test_stores_of_two_sizes_are_refused() -> None:
    store.write_store(paths.store_path("b"), ["u3", "u4", "u5"], np.zeros((3, 3, 2, 32, 32, 3), np.uint8), 32)
    write_split([("a", 0, "train"), ("b", 0, "train")])
    with pytest.raises(ShoepairError, match=r"data/store: images of 16 and 32 pixels, expected one size\nrun `dvc"):
        photo_loading.load_split("train")


@pytest.mark.usefixtures("_stores")
def test_missing_store_or_split_is_named() -> None:
    with pytest.raises(ShoepairError, match=r"data/split\.parquet: missing\nrun `dvc repro`"):
        photo_loading.load_split("train")
    write_split([("a", 0, "train")])
    paths.store_path("a").unlink()
    with pytest.raises(ShoepairError, match=r"data/store/a\.h5: missing\nrun `dvc repro`"):
        photo_loading.load_split("train")


@pytest.mark.usefixtures("_stores")
def test_shoes_are_those_that_the_networks_see() -> None:
    rows = pairs.build_pair_rows(write_split([("b", 2, "train"), ("a", 1, "train"), ("b", 0, "valid")]))
    images, _ = loading.load_pairs_in_memory(rows).get_mini_batch(torch.arange(len(rows)))  # (P, 3, 2S, S)
    with photo_loading.open_pair_photos(rows) as data:
        shoes = np.concatenate([data.read_shoes(0, 20), data.read_shoes(20, 99)])  # (P, 2, S, S, 3)
    assert len(data) == len(shoes) == 27
    assert (images.permute(0, 2, 3, 1).numpy().reshape(shoes.shape) == shoes).all()
