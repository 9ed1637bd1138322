"""Training that is stopped goes on to the same bits; photos from the stores give the same batches as from memory."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from support.trainings import EDGE, RECIPE, weights

from shoepair.data import loading, pair_dataset, streaming
from shoepair.models import registry
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from shoepair.training import loop


@pytest.mark.parametrize("name", ["cnn", "siamese", "histogram"])
def test_streamed_training_ends_in_the_same_bits(name: str, rows: pd.DataFrame) -> None:
    trained = []
    for memory in (2**30, 0):
        data = loading.load_or_stream_pairs(rows, EDGE // 2, memory, torch.device("cpu"))
        model = registry.build_model(name, registry.ModelConfig(n=2, dropout=0.3, edge=EDGE // 2), 1)
        loop.fit(model, data, data, RECIPE.model_copy(update={"epochs": 1}))
        trained.append(weights(model))
    assert all(torch.equal(one, other) for one, other in zip(*trained, strict=True))


@pytest.mark.parametrize("edge", [EDGE, EDGE // 2])
def test_streamed_batches_are_those_of_memory_in_the_same_order(edge: int, rows: pd.DataFrame) -> None:
    device = torch.device("cpu")
    held, streamed = (loading.load_or_stream_pairs(rows, edge, memory, device) for memory in (2**30, 0))
    assert isinstance(held, pair_dataset.InMemoryPairs)
    assert isinstance(streamed, streaming.StreamedPairs)
    assert torch.equal(held.pair_index, streamed.pair_index)
    plan = [torch.tensor([5, 60, 5]), torch.tensor([0]), torch.arange(20, 41)]
    for one, other in zip(held.iter_pair_photos(plan), streamed.iter_pair_photos(plan), strict=True):
        assert torch.equal(one, other)
    plan = [torch.tensor([6, 0, 3]), torch.tensor([2])]
    for one, other in zip(held.iter_student_photos(plan), streamed.iter_student_photos(plan), strict=True):
        assert torch.equal(one, other)


def test_damaged_store_is_one_message_where_photos_are_streamed(rows: pd.DataFrame) -> None:
    data = loading.load_or_stream_pairs(rows, EDGE, 0, torch.device("cpu"))
    paths.store_path("a").write_bytes(b"not a store")
    with pytest.raises(ShoepairError, match=r"^data/store/a.h5: not an HDF5 file") as caught:
        list(data.iter_pair_photos([torch.arange(len(rows))]))
    assert "Traceback" not in str(caught.value)
