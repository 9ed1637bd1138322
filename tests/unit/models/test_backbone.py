"""Padding and scaling before a pretrained network."""

from __future__ import annotations

import pytest
import torch

from shoepair.models import backbone


@pytest.mark.parametrize(
    ("edge", "kernel", "stride", "before", "after"),
    [(224, 3, 2, 0, 1), (112, 5, 2, 1, 2), (7, 5, 1, 2, 2), (15, 3, 2, 1, 1), (14, 3, 1, 1, 1)],
)
def test_padding_is_that_of_tensorflow(edge: int, kernel: int, stride: int, before: int, after: int) -> None:
    padded = backbone.pad_as_tensorflow(torch.ones(1, 1, edge, edge), kernel, stride)
    inside = torch.nonzero(padded[0, 0, padded.shape[2] // 2]).flatten()
    assert (int(inside[0]), padded.shape[3] - 1 - int(inside[-1])) == (before, after)
    assert (padded.shape[3] - kernel) // stride + 1 == -(-edge // stride)


def test_larger_photos_are_averaged_and_others_interpolated() -> None:
    photos = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert backbone.scale_photos(photos, 64) is photos
    assert torch.equal(backbone.scale_photos(photos, 32), torch.nn.functional.avg_pool2d(photos, 2))
    other = backbone.scale_photos(photos, 48)
    assert other.shape == (1, 3, 48, 48)
    torch.testing.assert_close(other.mean(), photos.mean(), atol=0.01, rtol=0)
