"""Bhattacharyya's distance of colour histograms, in one form for NumPy and torch.

As Comaniciu, Ramesh and Meer use it ("Kernel-based object tracking", 2003): sqrt(1 - sum sqrt(p q)). Histograms are
kept as their roots, so that the coefficient, the sum, is a scalar product.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Values = TypeVar("Values", NDArray[np.float64], Tensor)


def bhattacharyya(coefficient: Values) -> Values:
    """The distance, 0..1, for a coefficient of any shape; one that was rounded to above 1 is taken as 1."""
    return (1 - coefficient).clip(0) ** 0.5
