"""A batch that is shared among ranks: which rows each of them works, and the layers that look at the whole batch.

Whatever is drawn is drawn for the whole batch on every rank, which then takes its rows of it: the random numbers are
those of one process, for any number of ranks. Batch normalisation sums over all ranks; torch's own `SyncBatchNorm` is
for NVIDIA's accelerators alone, and would exchange the layers of the model.
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
class Share:
    """The rows of a batch that one rank works.

    Args:
        rows: (R,) int64, ascending; none where the batch has fewer rows than there are ranks.
        total: T, rows of the whole batch.
    """

    rows: Tensor
    total: int

    def of(self, drawn: Tensor) -> Tensor:
        """This share's part of what was drawn for the whole batch, k numbers a row: (T k, ...) to (R k, ...)."""
        by_rows = drawn.reshape(self.total, len(drawn) // self.total, *drawn.shape[1:])
        return by_rows[self.rows.to(drawn.device)].flatten(0, 1)


def whole(total: int) -> Share:
    """All rows of a batch."""
    return Share(torch.arange(total), total)


def dealt(kinds: Tensor) -> Share:
    """This rank's rows of a batch: of each kind as many as any other rank has, or one more.

    The kinds are (T,) int64, such as the labels 0 and 1.
    """
    parts = [torch.nonzero(kinds == kind).flatten().tensor_split(distributed.size()) for kind in set(kinds.tolist())]
    return Share(torch.cat([part[distributed.rank()] for part in parts]).sort().values, len(kinds))


def seeing_all(share: Share) -> AbstractContextManager[object]:
    """Within it, batch normalisation and dropout do to this rank's rows what one process would do to them."""
    return _WholeBatch(share) if distributed.size() > 1 else nullcontext()


class _WholeBatch(TorchFunctionMode):
    """Takes the place of torch's batch normalisation and dropout, whichever layer calls them."""

    def __init__(self, share: Share) -> None:
        super().__init__()
        self.share = share

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],  # torch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func is functional.dropout and given["training"]:
            (x,) = args
            return self._dropped(x, given["p"])
        if func is functional.batch_norm and given["training"]:
            x, mean, var = args
            return _normalised(x, mean, var, given["weight"], given["bias"], given["momentum"], given["eps"])
        return func(*args, **given)

    def _dropped(self, x: Tensor, p: float) -> Tensor:
        if not len(x):
            return x
        each = len(x) // len(self.share.rows)
        return x * self.share.of(functional.dropout(x.new_ones(self.share.total * each, *x.shape[1:]), p))


def _normalised(
    x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor, bias: Tensor, momentum: float, eps: float
) -> Tensor:
    """Batch normalisation of (R, C, ...) by the mean and variance of each channel over the rows of all ranks."""
    mean, var, count = _statistics(x.detach().to(weight.dtype))
    with torch.no_grad():
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (count / (count - 1)), momentum)
    normal: Tensor = _Normalisation.apply(x, weight, bias, mean, var, count, eps)  # type: ignore[no-untyped-call]
    return normal


def _statistics(x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Mean (C,), variance (C,) and count of the numbers of each channel, over all ranks; added up in double."""
    sums = torch.zeros(2 * x.shape[1] + 1, dtype=torch.float64, device=x.device)
    if len(x):
        count = x.numel() // x.shape[1]
        var, mean = (each.double() for each in torch.var_mean(x, _all_but_channels(x), correction=0))
        sums = torch.cat([mean * count, (var + mean.square()) * count, mean.new_tensor([count])])
    distributed.summed(sums)
    mean, square = (sums[:-1] / sums[-1]).chunk(2)
    return mean.to(x.dtype), (square - mean.square()).clamp_min(0).to(x.dtype), float(sums[-1])


def _all_but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]


class _Normalisation(torch.autograd.Function):
    """Normalisation by a mean and a variance that the rows of all ranks have a part in."""

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
        normal = (x.to(weight.dtype) - mean.view(shape)) * scale.view(shape)
        axes = _all_but_channels(x)
        sums = torch.stack([grad.sum(axes), (grad * normal).sum(axes)])
        of_bias, of_weight = sums.clone()  # of this rank, to be summed with all other gradients
        of_x = None
        if ctx.needs_input_grad[0]:
            through_mean, through_var = (each.view(shape) for each in distributed.summed(sums) / ctx.count)
            of_x = (grad - through_mean - normal * through_var) * (scale * weight).view(shape)
            of_x = of_x.to(x.dtype)
        return of_x, of_weight, of_bias, None, None, None, None
