"""Training that is stopped goes on to the same bits; photos from the stores give the same batches as from memory."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from support.field import edit
from support.pipeline import declared, groups
from support.trainings import EDGE, RECIPE, weights

from shoepair.data import loading
from shoepair.models import registry
from shoepair.runtime import libraries, paths
from shoepair.runtime.errors import ShoepairError
from shoepair.training import checkpoints, loop
from shoepair.training.history import Epoch


class KilledError(Exception):
    """The moment at which the process is gone."""


@pytest.mark.parametrize("name", ["cnn_channel", "siamese"])
@pytest.mark.parametrize(("after", "average"), [(1, 0.0), (3, 0.0), (3, 0.9)])
def test_stopped_training_goes_on_to_the_same_bits(name: str, after: int, average: float, rows: pd.DataFrame) -> None:
    data, recipe = loading.from_table(rows), RECIPE.model_copy(update={"average": average})
    shape = registry.ModelConfig(n=2, kernel_size=3, batch_norm=True, dropout=0.3, edge=EDGE)
    lines: list[str] = []
    checkpoint = loop.Checkpoint(Path("checkpoints/x"), checkpoints.key(name, [rows]), lines.append)
    whole = registry.build(name, shape, 1)
    expected = loop.fit(whole, data, data, recipe)

    def kill(epoch: Epoch, _weights: registry.Weights) -> None:
        if epoch.epoch == after:
            raise KilledError

    with pytest.raises(KilledError):
        loop.fit(registry.build(name, shape, 1), data, data, recipe, checkpoint, kill)
    again = registry.build(name, shape, 9)
    history = loop.fit(again, data, data, recipe, checkpoint)
    assert any(f"goes on after epoch {after}" in line for line in lines)
    assert history == expected
    assert all(torch.equal(one, other) for one, other in zip(weights(whole), weights(again), strict=True))


def test_checkpoint_of_another_run_or_a_torn_one_is_never_used(rows: pd.DataFrame) -> None:
    data, path = loading.from_table(rows), Path("checkpoints/x")
    keys = [
        checkpoints.key(RECIPE, [rows]),
        checkpoints.key(RECIPE.model_copy(update={"lr": 0.5}), [rows]),
        checkpoints.key(RECIPE, [rows.head(9)]),
    ]
    assert len(set(keys)) == 3
    loop.fit(
        registry.build("siamese", registry.ModelConfig(n=2, edge=EDGE), 1),
        data,
        data,
        RECIPE,
        loop.Checkpoint(path, keys[0], lambda _line: None),
    )
    assert checkpoints.parsed(checkpoints.read(path, keys[0])) is not None
    assert checkpoints.parsed(checkpoints.read(path, keys[1])) is None
    whole = path.read_bytes()
    for length in (0, 5, 1000, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert checkpoints.parsed(checkpoints.read(path, keys[0])) is None


def test_key_follows_the_code_and_the_libraries_that_the_stage_declares() -> None:
    body = declared("train")
    assert [dep for dep in body["deps"] if dep.startswith("shoepair/")] == [
        f"shoepair/{room}" for room in reversed(checkpoints.ROOMS)
    ]
    assert tuple(groups("train")) == checkpoints.LIBRARIES


def test_key_tells_other_libraries(rows: pd.DataFrame) -> None:
    before = checkpoints.key(RECIPE, [rows])
    edit(libraries.TABLE, 'torch = "', 'torch = "9')
    assert checkpoints.key(RECIPE, [rows]) != before
    edit(libraries.TABLE, 'torch = "9', 'torch = "')
    edit(libraries.TABLE, 'faiss-cpu = "', 'faiss-cpu = "9')  # weights do not follow from the search for duplicates
    assert checkpoints.key(RECIPE, [rows]) == before


def test_key_tells_other_photos(rows: pd.DataFrame) -> None:
    before = checkpoints.key(RECIPE, [rows])
    assert checkpoints.key(RECIPE, [rows]) == before
    content = bytearray(paths.store("a").read_bytes())
    content[-1] ^= 1
    paths.store("a").write_bytes(bytes(content))
    os.utime(paths.store("a"), (1, 1))  # where the clock's ticks are long, it would be the moment of the first
    assert checkpoints.key(RECIPE, [rows]) != before


def test_photos_that_do_not_come_out_even_are_refused(rows: pd.DataFrame) -> None:
    with pytest.raises(ShoepairError, match=r"photos of 32 pixels, expected 48 or a multiple of it\nset `train.edge`"):
        loading.within(rows, 48, 2**30, torch.device("cpu"))
