"""Device selection: CPU, CUDA or MPS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from shoepair.models import distributed
from shoepair.runtime.errors import ShoepairError


@contextmanager
def memory_errors_as_shoepair_error() -> Iterator[None]:
    """Convert the error of an accelerator without enough memory, for the time of the block, to a ShoepairError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        cause = str(error).partition(". ")[0]
        message = f"train.device: the accelerator has too little memory ({cause})"
        raise ShoepairError(message, fix="end other programs that use it, or set `train.device: cpu`") from None


def select_device(name: str) -> torch.device:
    """Select the torch device: cpu, cuda or mps; auto takes an accelerator where there is one.

    With several ranks each one on a machine takes another CUDA device; MPS cannot sum tensors over ranks.

    Raises:
        ShoepairError: this machine has no such device, or too few of them.
    """
    ranks = distributed.get_world_size()
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available() and ranks == 1,
        "cpu": True,
    }
    device_type = next(key for key, is_available in available.items() if is_available) if name == "auto" else name
    if device_type == "mps" and ranks > 1:
        message = f"train.device: mps, which cannot sum gradients over {ranks} ranks"
        raise ShoepairError(message, fix="set `train.device: cpu`, or start one rank")
    if not available[device_type]:
        message = f"train.device: {name}, which this machine (or this build of torch) does not have"
        raise ShoepairError(message, fix="set `train.device: auto`")
    if device_type == "cuda" and ranks > 1:
        count = torch.cuda.device_count()
        if distributed.get_local_rank() >= count:
            message = f"train.device: {name}, found {count} accelerators on this machine for more ranks"
            raise ShoepairError(message, fix="start as many ranks on a machine as it has accelerators")
        torch.cuda.set_device(distributed.get_local_rank())
    return torch.device(device_type)


def require_same_device_type(device: torch.device) -> torch.device:
    """Return the device after checking that all ranks use the same device type.

    Raises:
        ShoepairError: the device types differ: gloo and nccl would wait for each other for ever.
    """
    main_device = distributed.broadcast_bytes(device.type.encode()).decode()
    if main_device != device.type:
        message = f"train.device: this rank selected {device.type}, rank 0 selected {main_device}"
        raise ShoepairError(message, fix="set `train.device` to cpu, or to cuda where every machine has it")
    return device
