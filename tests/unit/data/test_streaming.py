"""Streamed photos, read by this process: equal to those in memory, each store opened once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from shoepair.data import pair_dataset, store, streaming
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

EDGE = 16
PIXELS = np.random.default_rng(7).integers(0, 256, (5, 3, 2, EDGE, EDGE, 3), np.uint8)
STORE_ROWS = [("b", 1), ("a", 2), ("a", 0), ("b", 0), ("a", 1)]  # batch and row of each student of PIXELS


@pytest.fixture(autouse=True)
def _stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stores in the current directory, read without worker processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streaming, "READER_PROCESSES", 0)
    for batch, count in (("a", 3), ("b", 2)):
        photos = [PIXELS[STORE_ROWS.index((batch, row))] for row in range(count)]
        store.write_store(paths.store_path(batch), [f"u{row}" for row in range(count)], photos, EDGE)


def in_memory_pairs(images: NDArray[np.uint8] = PIXELS) -> pair_dataset.InMemoryPairs:
    return pair_dataset.make_standard_pair_dataset(images)


def streamed_pairs(edge: int = EDGE) -> streaming.StreamedPairs:
    """The pairs of `in_memory_pairs`, streamed from the stores."""
    data = in_memory_pairs()
    rows = pd.DataFrame(STORE_ROWS, columns=["batch", "row"])
    return streaming.StreamedPairs(rows, data.pair_index, data.same, data.is_synthetic_student, edge)


@pytest.mark.parametrize("edge", [EDGE, EDGE // 4])
def test_streamed_shoes_equal_those_in_memory(edge: int) -> None:
    expected, streamed = in_memory_pairs().downsample(edge), streamed_pairs(edge)
    assert len(streamed) == len(expected) == 30
    batches = [torch.tensor([29, 0, 7]), torch.tensor([3])]
    for one, other in zip(expected.iter_pair_photos(batches), streamed.iter_pair_photos(batches), strict=True):
        assert torch.equal(one, other)
    batches = [torch.tensor([4, 1]), torch.tensor([0])]
    for one, other in zip(expected.iter_student_photos(batches), streamed.iter_student_photos(batches), strict=True):
        assert torch.equal(one, other)


def test_no_mini_batches_read_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "data").rglob("*.h5"):
        path.unlink()
    assert list(streamed_pairs().iter_pair_photos([])) == []
    assert list(streamed_pairs().iter_student_photos([])) == []


def test_reading_draws_no_random_number() -> None:
    before = torch.random.get_rng_state()
    assert len(list(streamed_pairs().iter_pair_photos([torch.tensor([1])]))) == 1
    assert torch.equal(torch.random.get_rng_state(), before)


def test_each_store_is_opened_once_and_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    real = store.Store

    def open_store(path: Path, *, use_remote_root: bool) -> store.Store:
        assert use_remote_root, "under SHOEPAIR_ROOT, where that is set"
        opened.append(path)
        return real(path, use_remote_root=use_remote_root)

    monkeypatch.setattr(streaming, "Store", open_store)
    dataset = streaming._ShoeDataset(pd.DataFrame(STORE_ROWS, columns=["batch", "row"]), EDGE)
    assert opened == []
    for student in (1, 2, 0, 1, 3):
        shoes = dataset[torch.tensor([student]), torch.tensor([[2]]), torch.tensor([[0]])]
        assert isinstance(shoes, torch.Tensor)
        assert shoes.dtype == torch.uint8
        np.testing.assert_array_equal(shoes[0, 0], [PIXELS[student, 2, 0], PIXELS[student, 0, 1]])
    assert opened == [paths.store_path("a"), paths.store_path("b")]


def test_missing_store_is_an_item_of_the_dataset_and_an_error_of_the_pairs() -> None:
    paths.store_path("b").unlink()
    dataset = streaming._ShoeDataset(pd.DataFrame(STORE_ROWS, columns=["batch", "row"]), EDGE)
    assert isinstance(dataset[torch.tensor([0]), torch.tensor([[0]]), torch.tensor([[0]])], ShoepairError)
    batches = streamed_pairs().iter_student_photos([torch.tensor([1]), torch.tensor([0])])
    assert next(batches).shape == (1, 3, 2, EDGE, EDGE, 3)
    with pytest.raises(ShoepairError, match=r"b\.h5: missing\nrun `dvc repro`"):
        next(batches)
