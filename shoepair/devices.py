"""Where the arithmetic is done: processor, NVIDIA's or Apple's accelerator."""

from __future__ import annotations

import torch
from torch import nn

from shoepair.errors import ShoepairError
from shoepair.networks import Threshold


def chosen(name: str) -> torch.device:
    """The device of a name.

    Args:
        name: auto, cpu, cuda or mps; auto takes an accelerator where there is one.

    Raises:
        ShoepairError: this machine has no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(each for each, found in there.items() if found))
    if not there[name]:
        found = f"train.device: {name}, which this machine (or this build of torch) does not have"
        raise ShoepairError(found, fix="set `train.device: auto`")
    return torch.device(name)


def placed(model: nn.Module, device: torch.device) -> torch.device:
    """Put a model on a device; what counts colours stays on the processor, in double precision.

    Returns:
        Where it is.
    """
    where = torch.device("cpu") if isinstance(model, Threshold) else device
    model.to(where)
    return where


def use_threads(number: int) -> None:
    """Fix the number of CPU threads: sums are split among them, so their number shows in the last bits."""
    torch.set_num_threads(number)
