"""Where the arithmetic is done: processor, NVIDIA's or Apple's accelerator."""

from __future__ import annotations

import torch

from shoepair.models import distributed
from shoepair.runtime.errors import ShoepairError


def chosen(name: str) -> torch.device:
    """The device of a name.

    Args:
        name: auto, cpu, cuda or mps; auto takes an accelerator where there is one. Of several ranks each takes one of
            NVIDIA's for itself; Apple's cannot sum tensors with others.

    Raises:
        ShoepairError: this machine has no such device, or too few of them.
    """
    mps = torch.backends.mps.is_available() and distributed.size() == 1
    there = {"cuda": torch.cuda.is_available(), "mps": mps, "cpu": True}
    wanted = next(each for each, found in there.items() if found) if name == "auto" else name
    if wanted == "mps" and distributed.size() > 1:
        found = f"train.device: mps, which cannot sum what {distributed.size()} ranks have worked out"
        raise ShoepairError(found, fix="set `train.device: cpu`, or start one rank")
    if not there[wanted]:
        found = f"train.device: {name}, which this machine (or this build of torch) does not have"
        raise ShoepairError(found, fix="set `train.device: auto`")
    if wanted == "cuda" and distributed.size() > 1:
        count = torch.cuda.device_count()
        if distributed.local() >= count:
            found = f"train.device: {name}, found {count} accelerators on this machine for more ranks"
            raise ShoepairError(found, fix="start as many ranks on a machine as it has accelerators")
        torch.cuda.set_device(distributed.local())
    return torch.device(wanted)


def agreed(device: torch.device) -> torch.device:
    """The device, where all ranks have chosen one of its kind: sums of different kinds would never meet.

    Raises:
        ShoepairError: they have not.
    """
    first = distributed.told(device.type.encode()).decode()
    if first != device.type:
        found = f"train.device: this rank has chosen {device.type}, the first one {first}"
        raise ShoepairError(found, fix="set `train.device` to cpu, or to cuda where every machine has it")
    return device
