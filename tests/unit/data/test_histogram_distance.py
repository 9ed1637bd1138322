"""Bhattacharyya distance of NumPy arrays and torch tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shoepair.data.histogram_distance import bhattacharyya_distance

COEFFICIENTS = [0.0, 0.25, 0.5, 1.0, 1.0 + 1e-12]


def test_distance_is_the_square_root_of_1_minus_the_coefficient() -> None:
    distances = bhattacharyya_distance(np.array(COEFFICIENTS))
    assert distances == pytest.approx([1.0, np.sqrt(0.75), np.sqrt(0.5), 0.0, 0.0])
    assert not np.signbit(distances).any()


def test_both_libraries_agree_in_any_shape() -> None:
    values = np.random.default_rng(1).random((3, 4, 5))
    distances = bhattacharyya_distance(torch.from_numpy(values))
    assert distances.shape == (3, 4, 5)
    # torch's square root may be an ulp off.
    np.testing.assert_allclose(distances.numpy(), bhattacharyya_distance(values), rtol=4e-16)
