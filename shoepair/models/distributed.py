"""Distributed training: process group, all-reduce, broadcast. With one process every function is a no-op.

`torchrun` starts the processes (ranks) and passes the number of each in environment variables. Tensors on the CPU are
summed by gloo, those on CUDA devices by nccl.

An error of one rank ends all of them. The first rank to fail prints it; the others lose a peer, read in the group's
key-value store that a rank has failed, and exit without a message.
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

from shoepair.runtime.errors import PeerLostError, ShoepairError
from shoepair.runtime.parallel import TORCHRUN_VARIABLES

FAILED_RANKS_KEY = "failed"  # in the store: the number of failed ranks


def get_world_size() -> int:
    """Return the number of ranks, 1 without distributed training."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def get_rank() -> int:
    """Return the rank of this process, 0 without distributed training."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main_rank() -> bool:
    """Whether this process is rank 0, the one that writes files and prints."""
    return get_rank() == 0


def get_local_rank() -> int:
    """Return the rank of this process among those on the same machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0")) if get_world_size() > 1 else 0


@contextmanager
def join_process_group() -> Iterator[None]:
    """Join torchrun's process group for the block and leave it at the end; no-op with one process.

    Raises:
        ShoepairError: raised by one rank only, see the module; the others exit with status 1.
    """
    if distributed.is_initialized() or not os.environ.keys() >= TORCHRUN_VARIABLES or os.environ["WORLD_SIZE"] == "1":
        yield
        return
    with _raise_if_peer_lost():
        base, number, count = next(rendezvous("env://"))
        # The launcher keeps the store when it restarts all ranks: the new ones must not read addresses of the old.
        store = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", base)
        distributed.init_process_group(store=store, rank=number, world_size=count)
    try:
        yield
    except BaseException as error:
        if _register_failure(store) and isinstance(error, ShoepairError | OSError):
            sys.exit(1)
        raise
    finally:
        distributed.destroy_process_group()


def _register_failure(store: Store) -> bool:
    """Record that this rank has failed; return whether another one failed before."""
    try:
        return bool(store.add(FAILED_RANKS_KEY, 1) > 1)
    except RuntimeError:  # the store is gone with the process that held it
        return False


def all_reduce_sum_in_place(tensor: Tensor) -> Tensor:
    """Sum a tensor over all ranks in place (all-reduce) and return it; all ranks get the same bits.

    Raises:
        PeerLostError: another rank is gone.
    """
    if get_world_size() > 1:
        with _raise_if_peer_lost():
            distributed.all_reduce(tensor)
    return tensor


def sum_gradients_and_loss_over_ranks(model: torch.nn.Module, loss: Tensor) -> float:
    """Sum gradients and loss over all ranks in one all-reduce; return the total loss.

    The model is the same on all ranks; `loss` is this rank's part, one number.
    """
    if get_world_size() == 1:
        return loss.item()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    flat = all_reduce_sum_in_place(
        torch.cat([loss.detach().reshape(1), *(gradient.flatten() for gradient in gradients)])
    )
    parts = torch.split(flat[1:], [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return flat[0].item()


def broadcast_bytes(content: bytes) -> bytes:
    """Broadcast bytes from rank 0 and return them on every rank; other ranks' argument is ignored."""
    if get_world_size() == 1:
        return content
    with _raise_if_peer_lost():
        length = torch.tensor(len(content))
        distributed.broadcast(length, src=0)
        buffer = torch.empty(int(length), dtype=torch.uint8)
        if is_main_rank():
            buffer = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
        distributed.broadcast(buffer, src=0)
    return buffer.numpy().tobytes()


@contextmanager
def _raise_if_peer_lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # gloo and nccl raise no more specific class
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        message = f"rank {get_rank()} of {get_world_size()}: another rank is gone ({reason})"
        fix = "start the same command again: it resumes after its last finished epoch"
        raise PeerLostError(message, fix=fix) from None
