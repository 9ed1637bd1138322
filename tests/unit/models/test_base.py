"""What all models are built from: valid shapes, layers, pair images, the threshold."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shoepair.models import base
from shoepair.models.config import ModelConfig
from shoepair.runtime.errors import ShoepairError


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 0.5


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (0, "greater than or equal to 16"),
        (8, "greater than or equal to 16"),
        (20, "a multiple of 8"),
        (225, "a multiple of 8"),
    ],
)
def test_edge_of_no_multiple_of_8_or_too_small_is_refused(edge: int, expected: str) -> None:
    with pytest.raises(ShoepairError, match=f"^edge: {edge}, expected {expected}\ncorrect the value$"):
        ModelConfig(edge=edge)


@pytest.mark.parametrize(("batch_norm", "kernel_size"), [(False, 3), (True, 5)])
def test_features_are_four_blocks_that_halve_the_image_and_double_the_channels(
    batch_norm: bool, kernel_size: int
) -> None:
    extractor = base.build_feature_extractor(
        6, ModelConfig(n=2, kernel_size=kernel_size, batch_norm=batch_norm, edge=32)
    )
    block = [nn.Conv2d, nn.MaxPool2d, *([nn.BatchNorm2d] if batch_norm else []), nn.ReLU]
    assert [type(layer) for layer in extractor] == block * 4
    convolutions = [layer for layer in extractor if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [(6, 2), (2, 4), (4, 8), (8, 16)]
    assert [layer.bias is None for layer in convolutions] == [batch_norm] * 4
    assert extractor(torch.zeros(3, 6, 64, 32)).shape == (3, 16, 4, 2)


def test_images_of_the_edge_stay_the_same_object_and_larger_ones_are_averaged() -> None:
    images = random(2, 3, 32, 16)
    assert base.downsample_images(images, 16) is images
    expected = (images[..., ::2, ::2] + images[..., 1::2, ::2] + images[..., ::2, 1::2] + images[..., 1::2, 1::2]) / 4
    torch.testing.assert_close(base.downsample_images(images, 8), expected)
    for edge in (5, 32):
        with pytest.raises(ShoepairError, match=f"^images of 16 pixels, expected {edge} or a multiple of it\nscale"):
            base.downsample_images(images, edge)


@pytest.mark.parametrize(
    ("edge", "share", "size"), [(224, 3 / 7, 96), (112, 5 / 7, 80), (16, 3 / 7, 6), (16, 1.0, 16)]
)
def test_center_crop_cuts_the_same_on_all_sides(edge: int, share: float, size: int) -> None:
    photo = torch.arange(edge * edge, dtype=torch.float32).reshape(1, 1, edge, edge)
    crop = base.center_crop(photo, share)
    assert crop.shape == (1, 1, size, size)
    margin = (edge - size) // 2
    assert (crop[0, 0, 0, 0].item(), crop[0, 0, -1, -1].item()) == (
        margin * (edge + 1),
        edge * edge - 1 - margin * (edge + 1),
    )


def test_every_left_shoe_is_stacked_above_every_right_shoe_channels_last() -> None:
    shoes = random(2, 3, 2, 4, 4, 3)
    stacked = base.stack_all_pairs_within_groups(shoes)
    assert stacked.shape == (18, 3, 8, 4)
    assert stacked.is_contiguous(memory_format=torch.channels_last)
    expected = [
        torch.cat([shoes[group, left, 0], shoes[group, right, 1]]).permute(2, 0, 1)
        for group in range(2)
        for left in range(3)
        for right in range(3)
    ]
    assert torch.equal(stacked, torch.stack(expected))


class FirstPixelDistance(base.ThresholdModel):
    """The first pixel of the left shoe is the distance."""

    def compute_distances(self, pair_images: Tensor) -> Tensor:
        return pair_images[:, 0, 0, 0].double()


def test_logits_are_zero_and_slope_times_threshold_minus_distance() -> None:
    model = FirstPixelDistance(edge=16)
    model.threshold.fill_(0.3)
    model.slope.fill_(4.0)
    x = torch.zeros(3, 3, 32, 16)
    x[:, 0, 0, 0] = torch.tensor([0.05, 0.3, 0.8])
    logits = model(x)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, torch.tensor([[0, 1.0], [0, 0.0], [0, -2.0]]), atol=1e-6, rtol=0)


def fit_threshold(distances: list[float], same: list[int], weights: list[float] | None = None) -> tuple[float, float]:
    """Return the threshold and the slope fitted on these pairs."""
    model = FirstPixelDistance(edge=16)
    counts = torch.tensor(weights or [1.0] * len(same))
    model.fit_threshold(torch.tensor(distances, dtype=torch.float64), torch.tensor(same), counts)
    return model.threshold.item(), model.slope.item()


def test_threshold_lies_half_way_between_same_and_different_pairs() -> None:
    threshold, slope = fit_threshold([0.7, 0.1, 0.9, 0.3], [0, 1, 0, 1])
    assert threshold == pytest.approx(0.5)
    assert slope == pytest.approx(1 / 0.1**0.5)
    assert fit_threshold([0.1, 0.4, 0.6], [1, 0, 1], [1, 1, 3])[0] == pytest.approx(0.6, abs=1e-5), "same weigh more"
    assert fit_threshold([0.1, 0.4, 0.6], [1, 0, 1], [1, 3, 1])[0] == pytest.approx(0.25)


def test_pairs_of_one_label_or_one_distance_all_get_one_prediction() -> None:
    assert fit_threshold([0.2, 0.4], [0, 0])[0] == pytest.approx(0.2 - 5e-7, abs=1e-9)
    assert fit_threshold([0.2, 0.4], [1, 1])[0] == pytest.approx(0.4 + 5e-7, abs=1e-9)
    threshold, slope = fit_threshold([0.5, 0.5, 0.5], [1, 1, 0])
    assert threshold > 0.5
    assert slope == 1e6
