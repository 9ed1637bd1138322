"""Streamed photos, read by this process: the same numbers as from memory, each store opened once."""

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
PLACES = [("b", 1), ("a", 2), ("a", 0), ("b", 0), ("a", 1)]  # where the students of PIXELS lie


@pytest.fixture(autouse=True)
def _stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stores in the current directory, read without worker processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streaming, "WORKERS", 0)
    for batch, count in (("a", 3), ("b", 2)):
        photos = [PIXELS[PLACES.index((batch, row))] for row in range(count)]
        store.write(paths.store(batch), [f"u{row}" for row in range(count)], photos, EDGE)


def held(images: NDArray[np.uint8] = PIXELS) -> pair_dataset.PairData:
    return pair_dataset.from_arrays(images)


def streamed(edge: int = EDGE) -> streaming.StreamedPairs:
    """The pairs of `held`, whose photos stay in the stores."""
    data = held()
    rows = pd.DataFrame(PLACES, columns=["batch", "row"])
    return streaming.StreamedPairs(rows=rows, shoes=data.shoes, same=data.same, synthetic=data.synthetic, edge=edge)


@pytest.mark.parametrize("edge", [EDGE, EDGE // 4])
def test_streamed_shoes_are_those_of_memory(edge: int) -> None:
    wanted, found = held().at(edge), streamed(edge)
    assert len(found) == len(wanted) == 30
    plan = [torch.tensor([29, 0, 7]), torch.tensor([3])]
    for one, other in zip(wanted.pairs(plan), found.pairs(plan), strict=True):
        assert torch.equal(one, other)
    plan = [torch.tensor([4, 1]), torch.tensor([0])]
    for one, other in zip(wanted.students(plan), found.students(plan), strict=True):
        assert torch.equal(one, other)


def test_empty_plan_reads_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "data").rglob("*.h5"):
        path.unlink()
    assert list(streamed().pairs([])) == []
    assert list(streamed().students([])) == []


def test_reading_draws_no_random_number() -> None:
    before = torch.random.get_rng_state()
    assert len(list(streamed().pairs([torch.tensor([1])]))) == 1
    assert torch.equal(torch.random.get_rng_state(), before)


def test_each_store_is_opened_once_and_only_when_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    real = store.Store

    def noted(path: Path, *, shared: bool) -> store.Store:
        assert shared, "under SHOEPAIR_ROOT, where that is set"
        opened.append(path)
        return real(path, shared=shared)

    monkeypatch.setattr(streaming, "Store", noted)
    reader = streaming._Reader(pd.DataFrame(PLACES, columns=["batch", "row"]), EDGE)
    assert opened == []
    for student in (1, 2, 0, 1, 3):
        wanted = (torch.tensor([student]), torch.tensor([[2]]), torch.tensor([[0]]))
        shoes = reader[wanted]
        assert isinstance(shoes, torch.Tensor)
        assert shoes.dtype == torch.uint8
        np.testing.assert_array_equal(shoes[0, 0], [PIXELS[student, 2, 0], PIXELS[student, 0, 1]])
    assert opened == [paths.store("a"), paths.store("b")]


def test_store_that_is_missing_is_an_item_of_the_reader_and_an_error_of_the_pairs() -> None:
    paths.store("b").unlink()
    reader = streaming._Reader(pd.DataFrame(PLACES, columns=["batch", "row"]), EDGE)
    wanted = (torch.tensor([0]), torch.tensor([[0]]), torch.tensor([[0]]))
    assert isinstance(reader[wanted], ShoepairError)
    batches = streamed().students([torch.tensor([1]), torch.tensor([0])])
    assert next(batches).shape == (1, 3, 2, EDGE, EDGE, 3)
    with pytest.raises(ShoepairError, match=r"b\.h5: missing\nrun `dvc repro`"):
        next(batches)
