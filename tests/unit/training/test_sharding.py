"""Sharding a mini-batch among ranks: the rows of each, and layers that need all of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from threading import Barrier, Thread, local

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from shoepair.models import distributed
from shoepair.training import sharding
from shoepair.training.sharding import Shard

PARTS = [[0, 3, 4], [1, 2], [5, 6]]


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def as_ranks(monkeypatch: pytest.MonkeyPatch, work: Callable[[int], None], count: int) -> None:
    """Run `work` as each of `count` ranks, in threads whose all-reduce sums their tensors."""
    thread, barrier = local(), Barrier(count, timeout=20)
    tensors: dict[int, Tensor] = {}

    def all_reduce(tensor: Tensor) -> Tensor:
        tensors[thread.rank] = tensor.clone()
        barrier.wait()
        total = torch.stack([tensors[rank] for rank in range(count)]).sum(0)
        barrier.wait()
        return tensor.copy_(total)

    def run(rank: int) -> None:
        thread.rank = rank
        work(rank)

    monkeypatch.setattr(distributed, "all_reduce_sum_in_place", all_reduce)
    monkeypatch.setattr(distributed, "get_world_size", lambda: count)
    threads = [Thread(target=run, args=(rank,)) for rank in range(count)]
    for started in threads:
        started.start()
    for started in threads:
        started.join()


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 4, 5)])
def test_normalisation_of_all_ranks_is_that_of_one_process(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, wanted_grad = random(*shape).requires_grad_(), random(*shape, seed=2)
    layer_class = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    reference = layer_class(3, momentum=0.3, dtype=torch.float64)
    with torch.no_grad():
        reference.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    layers = [layer_class(3, momentum=0.3, dtype=torch.float64) for _ in PARTS]
    for layer in layers:
        layer.load_state_dict(reference.state_dict())
    expected = reference(x)
    expected.backward(wanted_grad)
    output, grads = torch.zeros_like(x), torch.zeros_like(x)

    def work(rank: int) -> None:
        rows = torch.tensor(PARTS[rank])
        shard_input = x.detach()[rows].requires_grad_()
        with sharding.sync_batch_norm_and_dropout(Shard(rows, len(x))):
            shard_output = layers[rank](shard_input)
        shard_output.backward(wanted_grad[rows])
        assert shard_input.grad is not None
        output[rows], grads[rows] = shard_output.detach(), shard_input.grad

    as_ranks(monkeypatch, work, len(PARTS))
    torch.testing.assert_close(output, expected.detach())
    assert x.grad is not None
    torch.testing.assert_close(grads, x.grad)
    for name in ("weight", "bias"):
        parts = [getattr(layer, name).grad for layer in layers]
        torch.testing.assert_close(torch.stack(parts).sum(0), getattr(reference, name).grad)
    for layer in layers:
        torch.testing.assert_close(layer.running_mean, reference.running_mean)
        torch.testing.assert_close(layer.running_var, reference.running_var)


@pytest.mark.parametrize("per_row", [1, 3])
def test_dropout_takes_the_rows_that_one_process_would_draw(per_row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "get_world_size", lambda: 3)
    x = random(7 * per_row, 50) + 1  # rows of one group each
    layer = nn.Dropout(0.4)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = layer(x)
        output = torch.zeros_like(x).reshape(7, per_row, 50)
        for rows in PARTS:
            shard = Shard(torch.tensor(rows), 7)
            torch.manual_seed(5)
            with sharding.sync_batch_norm_and_dropout(shard):
                output[rows] = layer(shard.select(x)).reshape(len(rows), per_row, 50)
    assert torch.equal(output.reshape(x.shape), expected)
    assert 0.3 < (expected == 0).double().mean() < 0.5


def test_rank_without_rows_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    means: dict[int, Tensor] = {}
    x = random(4, 2)

    def work(rank: int) -> None:
        own_rows = x if rank == 0 else x[:0]
        means[rank] = torch.stack(sharding._channel_moments(own_rows)[:2])

    as_ranks(monkeypatch, work, 2)
    assert torch.equal(means[0], means[1])
    torch.testing.assert_close(means[0], torch.stack([x.mean(0), x.var(0, correction=0)]))
    shard = Shard(torch.tensor([], dtype=torch.int64), 4)
    with sharding.sync_batch_norm_and_dropout(shard):
        assert functional.dropout(x[:0], 0.5, training=True).shape == (0, 2)
    assert shard.select(x).shape == (0, 2)


def test_statistics_are_mean_variance_and_count_of_each_channel() -> None:
    x = torch.tensor([[[1.0, 3.0], [5.0, 5.0]], [[3.0, 5.0], [7.0, 3.0]]])  # two rows, two channels, two positions
    mean, var, count = sharding._channel_moments(x)
    assert mean.tolist() == [3.0, 5.0]
    assert var.tolist() == [2.0, 2.0]
    assert count == 4.0


def test_one_process_and_evaluation_mode_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sharding.full_shard(4)
    assert isinstance(sharding.sync_batch_norm_and_dropout(shard), nullcontext)
    assert shard.rows.tolist() == [0, 1, 2, 3]
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    x, layer = random(4, 3), nn.BatchNorm1d(3, dtype=torch.float64).eval()
    with sharding.sync_batch_norm_and_dropout(Shard(torch.tensor([0]), 4)):
        assert torch.equal(nn.Dropout(0.5).eval()(x), x)
        torch.testing.assert_close(layer(x), x / (1 + layer.eps) ** 0.5)


def test_mini_batch_of_one_stratum_is_sharded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    shards = []
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        shards.append(sharding.stratified_shard(torch.zeros(5)))
    assert [shard.rows.tolist() for shard in shards] == [[0, 1, 2], [3, 4]]
    assert {shard.total_rows for shard in shards} == {5}
