"""A batch shared among ranks: the rows of each, and layers that see the whole batch."""

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
from shoepair.training.sharding import Share

PARTS = [[0, 3, 4], [1, 2], [5, 6]]


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def as_ranks(monkeypatch: pytest.MonkeyPatch, work: Callable[[int], None], count: int) -> None:
    """Do the work as each of some ranks, in threads that sum what they tell each other."""
    own, barrier = local(), Barrier(count, timeout=20)
    told: dict[int, Tensor] = {}

    def summed(tensor: Tensor) -> Tensor:
        told[own.rank] = tensor.clone()
        barrier.wait()
        total = torch.stack([told[rank] for rank in range(count)]).sum(0)
        barrier.wait()
        return tensor.copy_(total)

    def act(rank: int) -> None:
        own.rank = rank
        work(rank)

    monkeypatch.setattr(distributed, "summed", summed)
    monkeypatch.setattr(distributed, "size", lambda: count)
    threads = [Thread(target=act, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 4, 5)])
def test_normalisation_of_all_ranks_is_that_of_one_process(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, wanted_grad = random(*shape).requires_grad_(), random(*shape, seed=2)
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    whole = kind(3, momentum=0.3, dtype=torch.float64)
    with torch.no_grad():
        whole.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    layers = [kind(3, momentum=0.3, dtype=torch.float64) for _ in PARTS]
    for layer in layers:
        layer.load_state_dict(whole.state_dict())
    expected = whole(x)
    expected.backward(wanted_grad)
    found, grads = torch.zeros_like(x), torch.zeros_like(x)

    def work(rank: int) -> None:
        rows = torch.tensor(PARTS[rank])
        mine = x.detach()[rows].requires_grad_()
        with sharding.seeing_all(Share(rows, len(x))):
            got = layers[rank](mine)
        got.backward(wanted_grad[rows])
        assert mine.grad is not None
        found[rows], grads[rows] = got.detach(), mine.grad

    as_ranks(monkeypatch, work, len(PARTS))
    torch.testing.assert_close(found, expected.detach())
    assert x.grad is not None
    torch.testing.assert_close(grads, x.grad)
    for name in ("weight", "bias"):
        parts = [getattr(layer, name).grad for layer in layers]
        torch.testing.assert_close(torch.stack(parts).sum(0), getattr(whole, name).grad)
    for layer in layers:
        torch.testing.assert_close(layer.running_mean, whole.running_mean)
        torch.testing.assert_close(layer.running_var, whole.running_var)


@pytest.mark.parametrize("each", [1, 3])
def test_dropout_takes_the_rows_that_one_process_would_draw(each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "size", lambda: 3)
    x = random(7 * each, 50) + 1  # so many rows of each group
    layer = nn.Dropout(0.4)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        whole = layer(x)
        found = torch.zeros_like(x).reshape(7, each, 50)
        for part in PARTS:
            share = Share(torch.tensor(part), 7)
            torch.manual_seed(5)
            with sharding.seeing_all(share):
                found[part] = layer(share.of(x)).reshape(len(part), each, 50)
    assert torch.equal(found.reshape(x.shape), whole)
    assert 0.3 < (whole == 0).double().mean() < 0.5


def test_rank_without_rows_takes_part_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    means: dict[int, Tensor] = {}
    x = random(4, 2)

    def work(rank: int) -> None:
        mine = x if rank == 0 else x[:0]
        means[rank] = torch.stack(sharding._statistics(mine)[:2])

    as_ranks(monkeypatch, work, 2)
    assert torch.equal(means[0], means[1])
    torch.testing.assert_close(means[0], torch.stack([x.mean(0), x.var(0, correction=0)]))
    share = Share(torch.tensor([], dtype=torch.int64), 4)
    with sharding.seeing_all(share):
        assert functional.dropout(x[:0], 0.5, training=True).shape == (0, 2)
    assert share.of(x).shape == (0, 2)


def test_statistics_are_mean_variance_and_count_of_each_channel() -> None:
    x = torch.tensor([[[1.0, 3.0], [5.0, 5.0]], [[3.0, 5.0], [7.0, 3.0]]])  # two rows, two channels, two places
    mean, var, count = sharding._statistics(x)
    assert mean.tolist() == [3.0, 5.0]
    assert var.tolist() == [2.0, 2.0]
    assert count == 4.0


def test_one_process_alone_is_left_to_torch_and_what_is_not_training_too(monkeypatch: pytest.MonkeyPatch) -> None:
    share = sharding.whole(4)
    assert isinstance(sharding.seeing_all(share), nullcontext)
    assert share.rows.tolist() == [0, 1, 2, 3]
    monkeypatch.setattr(distributed, "size", lambda: 2)
    x, layer = random(4, 3), nn.BatchNorm1d(3, dtype=torch.float64).eval()
    with sharding.seeing_all(Share(torch.tensor([0]), 4)):
        assert torch.equal(nn.Dropout(0.5).eval()(x), x)
        torch.testing.assert_close(layer(x), x / (1 + layer.eps) ** 0.5)


def test_batch_of_one_kind_and_of_none_is_dealt_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "size", lambda: 2)
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(sharding.dealt(torch.zeros(5)))
    assert [share.rows.tolist() for share in shares] == [[0, 1, 2], [3, 4]]
    assert {share.total for share in shares} == {5}
