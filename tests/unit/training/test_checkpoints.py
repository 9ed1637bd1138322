"""An interrupted training resumes to the same bits; which changes give another run key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from support.field import edit
from support.pipeline import declared, groups
from support.trainings import EDGE, RECIPE, weights

from shoepair.data import loading
from shoepair.models import registry
from shoepair.runtime import library_versions, paths
from shoepair.runtime.errors import ShoepairError
from shoepair.training import checkpoints, loop
from shoepair.training.history import EpochMetrics


class KilledError(Exception):
    """The moment at which the process is gone."""


@pytest.mark.parametrize("name", ["cnn_channel", "siamese"])
@pytest.mark.parametrize(
    ("after", "changes"),
    [(1, {}), (3, {}), (3, {"ema_decay": 0.9})],
)
def test_interrupted_training_resumes_to_the_same_bits(
    name: str, after: int, changes: dict[str, Any], rows: pd.DataFrame
) -> None:
    data, config = loading.load_pairs_in_memory(rows), RECIPE.model_copy(update=changes)
    network = registry.ModelConfig(n=2, kernel_size=3, batch_norm=True, dropout=0.3, edge=EDGE)
    lines: list[str] = []
    checkpoint = loop.CheckpointFile(Path("checkpoints/x"), checkpoints.compute_run_key(name, [rows]), lines.append)
    uninterrupted = registry.build_model(name, network, 1)
    expected = loop.fit(uninterrupted, data, data, config)

    def kill(epoch: EpochMetrics, _weights: registry.Weights) -> None:
        if epoch.epoch == after:
            raise KilledError

    with pytest.raises(KilledError):
        loop.fit(registry.build_model(name, network, 1), data, data, config, checkpoint, kill)
    resumed = registry.build_model(name, network, 9)
    history = loop.fit(resumed, data, data, config, checkpoint)
    assert any(f"resumes after epoch {after}" in line for line in lines)
    assert history == expected
    assert all(torch.equal(one, other) for one, other in zip(weights(uninterrupted), weights(resumed), strict=True))


def test_checkpoint_of_another_run_or_a_truncated_one_is_never_used(rows: pd.DataFrame) -> None:
    data, path = loading.load_pairs_in_memory(rows), Path("checkpoints/x")
    keys = [
        checkpoints.compute_run_key(RECIPE, [rows]),
        checkpoints.compute_run_key(RECIPE.model_copy(update={"lr": 0.5}), [rows]),
        checkpoints.compute_run_key(RECIPE, [rows.head(9)]),
    ]
    assert len(set(keys)) == 3
    loop.fit(
        registry.build_model("siamese", registry.ModelConfig(n=2, edge=EDGE), 1),
        data,
        data,
        RECIPE,
        loop.CheckpointFile(path, keys[0], lambda _line: None),
    )
    assert checkpoints.decode_training_state(checkpoints.read_checkpoint_bytes(path, keys[0])) is not None
    assert checkpoints.decode_training_state(checkpoints.read_checkpoint_bytes(path, keys[1])) is None
    content = path.read_bytes()
    for length in (0, 5, 1000, len(content) - 1):
        path.write_bytes(content[:length])
        assert checkpoints.decode_training_state(checkpoints.read_checkpoint_bytes(path, keys[0])) is None


def test_turned_bit_anywhere_makes_a_checkpoint_unused(rows: pd.DataFrame) -> None:
    path, key = Path("checkpoints/x"), checkpoints.compute_run_key(RECIPE, [rows])
    first, best, adam = ({"w": torch.full((3,), float(number))} for number in range(3))
    history = {"epochs": [], "losses": [0.5]}
    checkpoints.save_checkpoint(path, key, checkpoints.TrainingState(first, best, {}, [adam], history))
    written = path.read_bytes()
    assert checkpoints.read_checkpoint_bytes(path, key)
    for position in range(len(written)):
        turned = bytes([written[position] ^ 1 << position % 8])
        path.write_bytes(written[:position] + turned + written[position + 1 :])
        assert checkpoints.read_checkpoint_bytes(path, key) == b"", position


def test_key_follows_the_code_and_the_libraries_that_the_stage_declares() -> None:
    body = declared("train")
    assert [dep for dep in body["deps"] if dep.startswith("shoepair/")] == [
        f"shoepair/{room}" for room in reversed(checkpoints.CODE_PACKAGES)
    ]
    assert tuple(groups("train")) == checkpoints.LIBRARY_GROUPS


def test_key_changes_with_the_libraries(rows: pd.DataFrame) -> None:
    before = checkpoints.compute_run_key(RECIPE, [rows])
    edit(library_versions.VERSIONS_FILE, 'torch = "', 'torch = "9')
    assert checkpoints.compute_run_key(RECIPE, [rows]) != before
    edit(library_versions.VERSIONS_FILE, 'torch = "9', 'torch = "')
    edit(library_versions.VERSIONS_FILE, 'jinja2 = "', 'jinja2 = "9')  # used by the report only
    assert checkpoints.compute_run_key(RECIPE, [rows]) == before


def test_key_changes_with_the_photos(rows: pd.DataFrame) -> None:
    before = checkpoints.compute_run_key(RECIPE, [rows])
    assert checkpoints.compute_run_key(RECIPE, [rows]) == before
    content = bytearray(paths.store_path("a").read_bytes())
    content[-1] ^= 1
    paths.store_path("a").write_bytes(bytes(content))
    os.utime(paths.store_path("a"), (1, 1))  # a coarse clock might give the time of the first write
    assert checkpoints.compute_run_key(RECIPE, [rows]) != before


def test_photos_whose_edge_is_no_multiple_are_refused(rows: pd.DataFrame) -> None:
    with pytest.raises(ShoepairError, match=r"photos of 32 pixels, expected 48 or a multiple of it\nset `train.edge`"):
        loading.load_or_stream_pairs(rows, 48, 2**30, torch.device("cpu"))
