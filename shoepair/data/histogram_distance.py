"""Bhattacharyya distance of colour histograms, for NumPy arrays and torch tensors.

Definition of Comaniciu, Ramesh and Meer ("Kernel-based object tracking", 2003): sqrt(1 - sum sqrt(p q)). Histograms
are stored as their square roots, so that the coefficient, the sum, is a scalar product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

ArrayOrTensor = TypeVar("ArrayOrTensor", NDArray[np.float64], "Tensor")


def bhattacharyya_distance(coefficient: ArrayOrTensor) -> ArrayOrTensor:
    """Convert Bhattacharyya coefficients of any shape to distances 0..1; values rounded to above 1 count as 1."""
    return (1 - coefficient).clip(0) ** 0.5
