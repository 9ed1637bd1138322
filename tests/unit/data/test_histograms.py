"""Bhattacharyya's distance: one form for NumPy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shoepair.data.histograms import bhattacharyya

COEFFICIENTS = [0.0, 0.25, 0.5, 1.0, 1.0 + 1e-12]


def test_distance_is_the_root_of_what_the_coefficient_lacks_to_1() -> None:
    found = bhattacharyya(np.array(COEFFICIENTS))
    assert found == pytest.approx([1.0, np.sqrt(0.75), np.sqrt(0.5), 0.0, 0.0])
    assert not np.signbit(found).any()


def test_both_libraries_agree_in_any_shape() -> None:
    values = np.random.default_rng(1).random((3, 4, 5))
    found = bhattacharyya(torch.from_numpy(values))
    assert found.shape == (3, 4, 5)
    np.testing.assert_allclose(found.numpy(), bhattacharyya(values), rtol=4e-16)  # torch's root may be an ulp off
