"""The number of CPU threads that torch uses, and what glibc keeps of freed memory."""

from __future__ import annotations

import ctypes
import sys

import torch

# Of mallopt(3): blocks taken from the kernel by themselves (M_MMAP_MAX), none; free bytes at the end of the heap above
# which it is given back (M_TRIM_THRESHOLD), as many as a C int can say.
GLIBC_KEEPS = {-4: 0, -1: 2**31 - 1}


def use_threads(number: int) -> None:
    """Fix the number of CPU threads: sums are split among them, so their number shows in the last bits.

    And let glibc keep what a batch has freed for the next one. A layer's output is larger than what glibc keeps by
    itself. It would go back to the kernel, which clears every page of it when it is taken again. On 2 cores an
    iteration of `cnn` took 1.6 times as long that way.
    """
    torch.set_num_threads(number)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in GLIBC_KEEPS.items():
            mallopt(option, value)
