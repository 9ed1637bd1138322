"""Processes that train one model together, called ranks: who is there, and what they tell each other.

`torchrun` starts them and says by environment variables who each is. Tensors on the processor are summed by gloo,
those on NVIDIA's accelerators by nccl. Where there is one process there is no group, and nothing here does anything.

An error of one rank ends all of them. The first to fail tells it; the others then lose a partner, see in the group's
key-value store that it was told, and end without a word.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from shoepair.runtime.errors import LostError, ShoepairError
from shoepair.runtime.parallel import STARTED

FAILED = "failed"  # key in the store: how many ranks have failed


def size() -> int:
    """How many ranks there are, 1 or more."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this process is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def first() -> bool:
    """Whether this is the one that writes and prints."""
    return rank() == 0


def local() -> int:
    """Which of the ranks on this machine this process is, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0")) if size() > 1 else 0


@contextmanager
def joined() -> Iterator[None]:
    """Join the other ranks where torchrun has started several, and leave them at the end.

    Raises:
        ShoepairError: of all ranks by one alone, see the module; the others exit with status 1.
    """
    if distributed.is_initialized() or not os.environ.keys() >= STARTED or os.environ["WORLD_SIZE"] == "1":
        yield
        return
    with _reaching():
        base, number, count = next(rendezvous("env://"))
        # The launcher keeps the store when it starts all ranks anew: those must not find the addresses of the dead.
        store = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", base)
        distributed.init_process_group(store=store, rank=number, world_size=count)
    try:
        yield
    except BaseException as error:
        if _failed_before(store) and isinstance(error, ShoepairError | OSError):
            sys.exit(1)
        raise
    finally:
        distributed.destroy_process_group()


def _failed_before(store: Store) -> bool:
    """Note that this rank has failed, and tell whether another one had."""
    try:
        return bool(store.add(FAILED, 1) > 1)
    except RuntimeError:  # the store has gone with the process that kept it
        return False


def summed(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all ranks, in its place; each rank gives the same shape, and all get the same bits.

    Raises:
        LostError: another rank is gone.
    """
    if size() > 1:
        with _reaching():
            distributed.all_reduce(tensor)
    return tensor


def sum_gradients(model: torch.nn.Module, loss: Tensor) -> float:
    """Sum what `loss.backward()` has left at the weights over all ranks, and the loss too, in one message.

    The model is the same on all ranks; `loss` is this rank's part of it, one number. Gives the whole loss.
    """
    if size() == 1:
        return loss.item()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    flat = summed(torch.cat([loss.detach().reshape(1), *(each.flatten() for each in gradients)]))
    parts = torch.split(flat[1:], [each.numel() for each in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return flat[0].item()


def told(content: bytes) -> bytes:
    """What the first rank says, on all ranks; on the others the argument does not count."""
    if size() == 1:
        return content
    with _reaching():
        length = torch.tensor(len(content))
        distributed.broadcast(length, src=0)
        said = torch.empty(int(length), dtype=torch.uint8)
        if first():
            said = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
        distributed.broadcast(said, src=0)
    return said.numpy().tobytes()


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # neither gloo nor nccl has a class of its own for it
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        found = f"rank {rank()} of {size()}: another rank is gone ({reason})"
        raise LostError(found, fix="start the same command again: it goes on after its last finished epoch") from None
