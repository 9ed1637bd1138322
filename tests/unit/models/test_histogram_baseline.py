"""The histogram baseline: bins, what it ignores, and its distance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shoepair.models import histogram_baseline
from shoepair.models.histogram_baseline import HistogramBaseline

EDGE = 32


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 0.5


def stack(left: Tensor, right: Tensor) -> Tensor:
    return torch.cat([left, right], dim=2)


def test_squares_of_the_roots_are_shares_in_double_precision() -> None:
    result = histogram_baseline.compute_sqrt_histograms(random(2, 3, 9, 9))
    assert result.shape == (2, 3, 16)
    assert result.dtype == torch.float64
    torch.testing.assert_close(result.square().sum(2), torch.ones(2, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("value", "bin_number"), [(-0.5, 0), (-0.44, 0), (-0.43, 1), (0.0, 8), (0.5, 15), (9.0, 15), (-9.0, 0)]
)
def test_brightness_falls_into_one_of_sixteen_bins_whatever_it_is(value: float, bin_number: int) -> None:
    result = histogram_baseline.compute_sqrt_histograms(torch.full((1, 3, 2, 2), value))
    assert result[0].argmax(1).tolist() == [bin_number] * 3
    assert result.sum() == 3


def test_export_counts_what_the_program_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = random(3, 3, 12, 12)
    expected = histogram_baseline.compute_sqrt_histograms(photos)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert torch.equal(histogram_baseline.compute_sqrt_histograms(photos), expected)


def test_distance_is_symmetric_and_sees_neither_border_nor_order() -> None:
    model = HistogramBaseline(edge=EDGE)
    left, right = random(4, 3, EDGE, EDGE), random(4, 3, EDGE, EDGE, seed=2).square() - 0.3
    result = model.compute_distances(stack(left, right))
    assert result.shape == (4,)
    assert 0 < result.min() < result.max() < 1
    torch.testing.assert_close(model.compute_distances(stack(right, left)), result)
    assert torch.equal(model.compute_distances(stack(left.flip(3), right.transpose(2, 3))), result)
    framed = left.clone()
    framed[..., :9, :] = framed[..., -9:, :] = framed[..., :9] = framed[..., -9:] = 0.5  # all but the middle 14 pixels
    assert torch.equal(model.compute_distances(stack(framed, right)), result)
    framed[..., 9, 9] += 1
    assert not torch.equal(model.compute_distances(stack(framed, right)), result)


def test_distance_is_that_of_bhattacharyya() -> None:
    left, right = torch.full((1, 3, EDGE, EDGE), -0.5), torch.full((1, 3, EDGE, EDGE), -0.5)
    right[0, 0, : EDGE // 2] = 0.4  # half of red is in another bin
    right[0, 1] = 0.4  # all of green
    expected = (1 - (0.5**0.5 + 0 + 1) / 3) ** 0.5
    assert HistogramBaseline(edge=EDGE).compute_distances(stack(left, right)).item() == pytest.approx(
        expected, abs=1e-12
    )
