"""What a student's own module gets, and what it must give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from shoepair.models import module_interface
from shoepair.runtime.errors import ShoepairError

IMAGES = torch.rand(4, 32, 16, 3).movedim(3, 1)  # channels last in memory


class Module(nn.Module):
    """A module whose logits a function makes of its images and its weight."""

    def __init__(self, function: Callable[[Tensor, Tensor], object]) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.full((3, 2), 0.1))

    def forward(self, x: Tensor) -> object:
        return self.function(x, self.weight)


def mean_logits(x: Tensor, weight: Tensor) -> Tensor:
    return x.view(len(x), 3, -1).mean(2) @ weight  # `view` needs a contiguous tensor


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_module_gets_contiguous_images_of_the_type_of_its_weights(dtype: torch.dtype) -> None:
    logits = module_interface.compute_module_logits(Module(mean_logits).to(dtype), IMAGES)
    assert (logits.shape, logits.dtype) == ((4, 2), dtype)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda x, w: mean_logits(x, w)[:, :1], r"a tensor of shape \(4, 1\)"),
        (lambda x, w: mean_logits(x, w)[:, 0], r"a tensor of shape \(4,\)"),
        (lambda x, w: mean_logits(x, w).T, r"a tensor of shape \(2, 4\)"),
        (lambda x, w: (mean_logits(x, w), x), "tuple"),
        (lambda x, w: None, "NoneType"),  # noqa: ARG005
    ],
)
def test_other_logits_are_refused_in_one_message(function: Callable[[Tensor, Tensor], object], found: str) -> None:
    expected = rf"^Module: returns {found} for 4 pairs, expected logits of shape \(4, 2\)\nlet `forward` return"
    with pytest.raises(ShoepairError, match=expected):
        module_interface.compute_module_logits(Module(function), IMAGES)


def test_logits_that_nothing_trains_or_that_are_not_finite_are_refused() -> None:
    model = Module(lambda x, w: mean_logits(x, w).detach())
    logits = module_interface.compute_module_logits(model, IMAGES)
    with pytest.raises(ShoepairError, match="depend on no parameter that can be trained"):
        module_interface.raise_if_untrainable(model, logits)
    with torch.no_grad(), pytest.raises(ShoepairError, match="not finite numbers"):
        module_interface.compute_module_logits(Module(lambda x, w: mean_logits(x, w) / 0), IMAGES)


def test_error_of_a_module_is_its_own() -> None:
    def fail(_x: Tensor, _w: Tensor) -> Tensor:
        reason = "mine"
        raise ZeroDivisionError(reason)

    with pytest.raises(ZeroDivisionError, match="mine"):
        module_interface.compute_module_logits(Module(fail), IMAGES)


@pytest.mark.parametrize("model", [Module, len, None, "cnn"])
def test_what_is_no_module_is_refused(model: object) -> None:
    with pytest.raises(ShoepairError, match=r"^model: .*, expected an instance of a `torch.nn.Module`"):
        module_interface.raise_if_no_module(model)


def test_lazy_layers_are_initialised_and_can_be_trained() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.LazyLinear(5), nn.LazyBatchNorm1d(), nn.Linear(5, 2))
    module_interface.prepare_training(model, IMAGES[:1])
    assert all(layer.training for layer in model.modules())
    model(IMAGES).sum().backward()


@pytest.mark.parametrize("frozen", [True, False])
def test_module_without_anything_to_train_is_refused(frozen: bool) -> None:
    model = Module(mean_logits).requires_grad_(False) if frozen else nn.Flatten()
    with pytest.raises(ShoepairError, match="has no parameter that can be trained"):
        module_interface.prepare_training(model, IMAGES[:1])


def test_each_layer_gets_its_mode_back() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1).eval())
    with module_interface.evaluation_mode(model):
        assert not any(layer.training for layer in model.modules())
    assert [layer.training for layer in model.modules()] == [True, True, False]
