"""The baseline by colours: what it counts, what it does not see, and the distance it gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shoepair.models import histogram
from shoepair.models.histogram import Histogram

EDGE = 32


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 0.5


def pair(left: Tensor, right: Tensor) -> Tensor:
    return torch.cat([left, right], dim=2)


def test_squares_of_the_roots_are_shares_in_double_precision() -> None:
    found = histogram.roots(random(2, 3, 9, 9))
    assert found.shape == (2, 3, 16)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.square().sum(2), torch.ones(2, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("value", "place"), [(-0.5, 0), (-0.44, 0), (-0.43, 1), (0.0, 8), (0.5, 15), (9.0, 15), (-9.0, 0)]
)
def test_brightness_falls_into_one_of_sixteen_bins_whatever_it_is(value: float, place: int) -> None:
    found = histogram.roots(torch.full((1, 3, 2, 2), value))
    assert found[0].argmax(1).tolist() == [place] * 3
    assert found.sum() == 3


def test_export_counts_what_the_program_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = random(3, 3, 12, 12)
    wanted = histogram.roots(photos)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert torch.equal(histogram.roots(photos), wanted)


def test_distance_is_symmetric_and_sees_neither_border_nor_order() -> None:
    model = Histogram(edge=EDGE)
    left, right = random(4, 3, EDGE, EDGE), random(4, 3, EDGE, EDGE, seed=2).square() - 0.3
    found = model.distance(pair(left, right))
    assert found.shape == (4,)
    assert 0 < found.min() < found.max() < 1
    torch.testing.assert_close(model.distance(pair(right, left)), found)
    assert torch.equal(model.distance(pair(left.flip(3), right.transpose(2, 3))), found)
    framed = left.clone()
    framed[..., :9, :] = framed[..., -9:, :] = framed[..., :9] = framed[..., -9:] = 0.5  # all but the middle 14 pixels
    assert torch.equal(model.distance(pair(framed, right)), found)
    framed[..., 9, 9] += 1
    assert not torch.equal(model.distance(pair(framed, right)), found)


def test_distance_is_that_of_bhattacharyya() -> None:
    left, right = torch.full((1, 3, EDGE, EDGE), -0.5), torch.full((1, 3, EDGE, EDGE), -0.5)
    right[0, 0, : EDGE // 2] = 0.4  # half of red is of another bin
    right[0, 1] = 0.4  # all of green
    wanted = (1 - (0.5**0.5 + 0 + 1) / 3) ** 0.5
    assert Histogram(edge=EDGE).distance(pair(left, right)).item() == pytest.approx(wanted, abs=1e-12)
