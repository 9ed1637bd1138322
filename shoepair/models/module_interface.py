"""What a network that is no `Model` of this project gets and must give: a student's own `nn.Module`.

It gets plain tensors, contiguous and of the type and device of its weights, so that `.view` works on them; its weights
keep their memory layout for the same reason. It must give logits (B, 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from shoepair.data.wording import count_with_noun
from shoepair.models.base import NUM_CLASSES
from shoepair.runtime.errors import ShoepairError

LOGITS_FIX = "let `forward` return two logits for each pair, different and same, such as those of `nn.Linear(n, 2)`"


def compute_module_logits(model: nn.Module, images: Tensor) -> Tensor:
    """Return the logits (B, 2) of a module for pair images (B, 3, 2S, S).

    Raises:
        ShoepairError: it gives something else; or, after training, no finite numbers.
    """
    logits: Any = model(_match_weights(model, images))
    name, expected = type(model).__name__, (len(images), NUM_CLASSES)
    if not isinstance(logits, Tensor) or logits.shape != expected:
        found = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        message = (
            f"{name}: returns {found} for {count_with_noun(len(images), 'pair')}, expected logits of shape {expected}"
        )
        raise ShoepairError(message, fix=LOGITS_FIX)
    if not torch.is_grad_enabled() and not torch.isfinite(logits).all():
        message = f"{name}: gives logits that are not finite numbers"
        raise ShoepairError(message, fix="train it with a smaller learning rate")
    return logits


def raise_if_untrainable(model: nn.Module, logits: Tensor) -> None:
    """Raise a ShoepairError if the logits of a training step depend on no parameter."""
    if not logits.requires_grad:
        message = f"{type(model).__name__}: its logits depend on no parameter that can be trained"
        raise ShoepairError(message, fix="let `forward` call its layers, without `detach` and `no_grad`")


def _match_weights(model: nn.Module, images: Tensor) -> Tensor:
    """Return contiguous images of the device and type of the first weight that is a floating-point number."""
    weights = chain(model.parameters(), model.buffers())
    first = next((weight for weight in weights if weight.is_floating_point()), images)
    return images.to(first.device, first.dtype).contiguous()


def raise_if_no_module(model: object) -> None:
    """Raise a ShoepairError if this is not an instance of `nn.Module`."""
    if not isinstance(model, nn.Module):
        found = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        message = f"model: {found}, expected an instance of a `torch.nn.Module`"
        raise ShoepairError(message, fix="such as `CNN()`, with the brackets")


def prepare_training(model: nn.Module, images: Tensor) -> None:
    """Initialise layers whose sizes follow from their first input, by these pair images (B, 3, 2S, S).

    Raises:
        ShoepairError: the module has no parameter that can be trained.
    """
    if any(is_lazy(weight) for weight in chain(model.parameters(), model.buffers())):
        with evaluation_mode(model), torch.no_grad():
            compute_module_logits(model, images)
    if not any(weight.requires_grad for weight in model.parameters()):
        message = f"{type(model).__name__}: has no parameter that can be trained"
        raise ShoepairError(message, fix="give it layers, and assign each to an attribute in `__init__`")


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode for the time of the block; each layer then gets back its own mode."""
    modes = [(layer, layer.training) for layer in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for layer, mode in modes:
            layer.training = mode
