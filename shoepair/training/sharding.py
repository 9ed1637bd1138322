"""Sharding a mini-batch among ranks, and layers that need the whole mini-batch.

Every rank draws random numbers for the whole mini-batch and selects those of its own rows: the numbers are those of
one process, whatever the number of ranks. Batch normalisation sums over all ranks; torch's own `SyncBatchNorm` works
on CUDA only, and would replace layers of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from shoepair.models import distributed


@dataclass(frozen=True)
class Shard:
    """A rank's shard of a mini-batch: its row numbers, and the number of rows in all.

    Args:
        rows: (R,) int64, ascending; empty where the mini-batch has fewer rows than there are ranks.
        total_rows: T, rows of the whole mini-batch.
    """

    rows: Tensor
    total_rows: int

    def select(self, values: Tensor) -> Tensor:
        """Select this shard's rows of a tensor with k values a row: (T k, ...) to (R k, ...)."""
        by_rows = values.reshape(self.total_rows, len(values) // self.total_rows, *values.shape[1:])
        return by_rows[self.rows.to(values.device)].flatten(0, 1)


def full_shard(total_rows: int) -> Shard:
    """Return the shard that holds all rows of a mini-batch."""
    return Shard(torch.arange(total_rows), total_rows)


def stratified_shard(strata: Tensor) -> Shard:
    """Return this rank's shard of a mini-batch, stratified: equal numbers of each stratum, +-1.

    The strata are (T,) int64, such as the labels 0 and 1.
    """
    parts = [
        torch.nonzero(strata == stratum).flatten().tensor_split(distributed.get_world_size())
        for stratum in set(strata.tolist())
    ]
    return Shard(torch.cat([part[distributed.get_rank()] for part in parts]).sort().values, len(strata))


def sync_batch_norm_and_dropout(shard: Shard) -> AbstractContextManager[object]:
    """Context manager: batch normalisation and dropout act as on the whole mini-batch of all ranks."""
    return _SyncedLayers(shard) if distributed.get_world_size() > 1 else nullcontext()


class _SyncedLayers(TorchFunctionMode):
    """Replaces torch's batch normalisation and dropout, whichever layer calls them."""

    def __init__(self, shard: Shard) -> None:
        super().__init__()
        self.shard = shard

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],  # torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        options = kwargs or {}
        if func is functional.dropout and options["training"]:
            (x,) = args
            return self._dropout(x, options["p"])
        if func is functional.batch_norm and options["training"]:
            x, mean, var = args
            return _batch_norm(x, mean, var, options["weight"], options["bias"], options["momentum"], options["eps"])
        return func(*args, **options)

    def _dropout(self, x: Tensor, p: float) -> Tensor:
        if not len(x):
            return x
        per_row = len(x) // len(self.shard.rows)
        return x * self.shard.select(functional.dropout(x.new_ones(self.shard.total_rows * per_row, *x.shape[1:]), p))


def _batch_norm(
    x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor, bias: Tensor, momentum: float, eps: float
) -> Tensor:
    """Normalise (R, C, ...) by the mean and variance of each channel over the rows of all ranks."""
    mean, var, count = _channel_moments(x.detach().to(weight.dtype))
    with torch.no_grad():
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (count / (count - 1)), momentum)
    normalized: Tensor = _SyncBatchNorm.apply(x, weight, bias, mean, var, count, eps)  # type: ignore[no-untyped-call]
    return normalized


def _channel_moments(x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return mean (C,), variance (C,) and count per channel over all ranks, summed in float64."""
    sums = torch.zeros(2 * x.shape[1] + 1, dtype=torch.float64, device=x.device)
    if len(x):
        count = x.numel() // x.shape[1]
        var, mean = (moment.double() for moment in torch.var_mean(x, _non_channel_axes(x), correction=0))
        sums = torch.cat([mean * count, (var + mean.square()) * count, mean.new_tensor([count])])
    distributed.all_reduce_sum_in_place(sums)
    mean, square = (sums[:-1] / sums[-1]).chunk(2)
    return mean.to(x.dtype), (square - mean.square()).clamp_min(0).to(x.dtype), float(sums[-1])


def _non_channel_axes(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]


class _SyncBatchNorm(torch.autograd.Function):
    """Normalisation by a mean and a variance to which the rows of all ranks contribute."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, count: float, eps: float
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt())
        ctx.count = count
        return functional.batch_norm(x, mean, var, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        shape = (1, -1, *(1,) * (x.dim() - 2))
        grad = grads[0].to(weight.dtype)
        normalized = (x.to(weight.dtype) - mean.view(shape)) * scale.view(shape)
        axes = _non_channel_axes(x)
        sums = torch.stack([grad.sum(axes), (grad * normalized).sum(axes)])
        bias_grad, weight_grad = sums.clone()  # of this rank, summed later with all other gradients
        x_grad = None
        if ctx.needs_input_grad[0]:
            through_mean, through_var = (
                part.view(shape) for part in distributed.all_reduce_sum_in_place(sums) / ctx.count
            )
            x_grad = (grad - through_mean - normalized * through_var) * (scale * weight).view(shape)
            x_grad = x_grad.to(x.dtype)
        return x_grad, weight_grad, bias_grad, None, None, None, None
