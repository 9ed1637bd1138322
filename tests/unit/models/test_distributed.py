"""Shards of a mini-batch, devices and numbers of ranks that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shoepair.models import devices, distributed
from shoepair.runtime import parallel
from shoepair.runtime.errors import ShoepairError
from shoepair.training import sharding


def told(logs: Path) -> list[str]:
    """What the ranks themselves have printed to stderr."""
    return "".join(path.read_text() for path in logs.rglob("stderr.log")).splitlines()


@given(st.lists(st.integers(0, 1), min_size=1), st.integers(1, 5))
def test_mini_batch_is_sharded_evenly_by_label(labels: list[int], size: int) -> None:
    strata = torch.tensor(labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "get_world_size", lambda: size)
        shards = []
        for rank in range(size):
            patch.setattr(distributed, "get_rank", lambda rank=rank: rank)
            shards.append(sharding.stratified_shard(strata).rows)
    assert torch.cat(shards).sort().values.tolist() == list(range(len(labels))), "each row once"
    for label in (0, 1):
        counts = [int((strata[rows] == label).sum()) for rows in shards]
        assert max(counts) - min(counts) <= 1
    assert all(rows.equal(rows.sort().values) for rows in shards)


def test_shard_selects_its_rows() -> None:
    shard = sharding.Shard(torch.tensor([1, 3]), 4)
    assert shard.select(torch.arange(8)).tolist() == [2, 3, 6, 7]
    assert sharding.full_shard(4).select(torch.arange(8)).tolist() == list(range(8))


def test_device_that_cannot_sum_is_refused_for_several_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    with pytest.raises(ShoepairError, match=r"^train.device: mps, which cannot sum gradients over 2 ranks\n"):
        devices.select_device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.select_device("auto").type == "cpu"


def test_ranks_on_different_device_types_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "broadcast_bytes", lambda _content: b"cuda")
    with pytest.raises(ShoepairError, match=r"^train.device: this rank selected cpu, rank 0 selected cuda\n"):
        devices.require_same_device_type(torch.device("cpu"))
    assert devices.require_same_device_type(torch.device("cuda")).type == "cuda"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("two", "SHOEPAIR_RANKS=two: expected a number of processes, 1 or more\nunset it"),
        ("0", "SHOEPAIR_RANKS=0: expected a number"),
        ("100000", "SHOEPAIR_RANKS=100000: this machine has [0-9]+ cores\nset SHOEPAIR_RANKS to fewer"),
    ],
)
def test_invalid_number_of_ranks_is_refused(number: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOEPAIR_RANKS", number)
    with pytest.raises(ShoepairError, match=message):
        parallel.run_ranks(list, "nothing", cores_per_rank=1, use_gpu=False)
