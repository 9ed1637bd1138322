"""Settings of the process: torch's CPU threads, and the reuse of freed memory by glibc."""

from __future__ import annotations

import ctypes
import sys

import torch

# Options of mallopt(3). M_MMAP_MAX (-4): map no block separately. M_TRIM_THRESHOLD (-1): free bytes at the end of the
# heap above which they go back to the kernel, the largest C int.
MALLOPT_OPTIONS = {-4: 0, -1: 2**31 - 1}


def configure_torch_cpu(count: int) -> None:
    """Set torch's number of CPU threads, and let glibc keep freed memory for reuse.

    Sums are split among the threads, so their number changes the last bits of results. A layer's output is larger than
    the blocks that glibc keeps by default: they would go back to the kernel, which clears every page on reuse. On 2
    cores an iteration of `cnn` took 1.6 times as long that way.
    """
    torch.set_num_threads(count)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in MALLOPT_OPTIONS.items():
            mallopt(option, value)
